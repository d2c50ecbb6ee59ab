"""The rivals: worked by hand, then on small pools with planted dirt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trainer.bench.rivals import (
    InfoBatch,
    confident_learning_keep,
    confidently_right,
    irreducible_losses,
    logistic_regression,
    rho_choice,
)


def blobs(n: int, classes: int, seed: int, d: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around one direction per class, and their classes."""
    centres = np.random.default_rng(0).normal(size=(classes, d))
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    e = centres[labels] + 0.4 * rng.normal(size=(n, d))
    return (e / np.linalg.norm(e, axis=1, keepdims=True)).astype(np.float32), labels


# --- confident learning -------------------------------------------------------------------------

GIVEN = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1])
P0 = np.array([0.9, 0.9, 0.5, 0.45, 0.25, 0.1, 0.1, 0.5, 0.5])
"""Thresholds: .6 for class 0, .7 for class 1; sample 4 is confidently 1, four are unsure."""


def test_the_joint_drops_what_is_confidently_of_another_class():
    keep = confidently_right(np.stack([P0, 1 - P0], axis=1), GIVEN, "joint")

    assert keep.astype(int).tolist() == [1, 1, 1, 1, 0, 1, 1, 1, 1]


def test_both_scales_the_joint_up_to_all_samples_of_a_label():
    """Of the sure samples labelled 0 a third is wrong: 5 / 3 of 5, rounded to the two worst."""
    keep = confidently_right(np.stack([P0, 1 - P0], axis=1), GIVEN, "both")

    assert keep.astype(int).tolist() == [1, 1, 1, 0, 0, 1, 1, 1, 1]


def test_both_drops_only_what_both_of_its_readings_name():
    """Label 0 has two errors, one of each other class; its least confident are samples 3 and 4."""
    p = np.array(
        [
            [0.9, 0.05, 0.05],
            [0.8, 0.1, 0.1],
            [0.3, 0.0, 0.7],  # nearest to class 2
            [0.25, 0.7, 0.05],  # nearest to class 1
            [0.25, 0.4, 0.35],  # unsure
            [0.1, 0.8, 0.1],
            [0.3, 0.6, 0.1],
            [0.1, 0.1, 0.8],
            [0.3, 0.1, 0.6],
        ]
    )
    given = np.array([0, 0, 0, 0, 0, 1, 1, 2, 2])

    keep = confidently_right(p, given, "both")

    assert keep.astype(int).tolist() == [1, 1, 1, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("prune", ["both", "joint"])
def test_finds_planted_random_errors(prune):
    e, truth = blobs(300, classes=5, seed=1)
    rng = np.random.default_rng(2)
    wrong = rng.random(300) < 0.25
    given = np.where(wrong, (truth + rng.integers(1, 5, size=300)) % 5, truth)

    keep = confident_learning_keep(e, given, seed=0, prune=prune)

    assert (~wrong[keep]).mean() > 0.97
    assert keep[~wrong].mean() > 0.9


def test_does_not_see_a_foreign_topic_filed_under_one_label():
    """No label speaks up for it: that is why people are asked."""
    e, truth = blobs(400, classes=4, seed=3)
    is_foreign = truth == 3
    given = np.where(is_foreign, 1, truth)

    assert confident_learning_keep(e, given, seed=0)[is_foreign].mean() > 0.9


def test_the_seed_draws_the_folds():
    e, truth = blobs(90, classes=3, seed=4)
    given = np.where(np.arange(90) % 4 == 0, (truth + 1) % 3, truth)

    np.testing.assert_array_equal(
        confident_learning_keep(e, given, seed=5), confident_learning_keep(e, given, seed=5)
    )


@pytest.mark.parametrize("labels", [[3, 3, 3, 3], [0, 0, 0, 7], [5, 9]])
def test_tiny_classes_and_gaps_between_ids_are_no_trouble(labels):
    e, _ = blobs(len(labels), classes=2, seed=5)

    for seed in range(9):
        assert confident_learning_keep(e, np.array(labels), seed).shape == (len(labels),)


# --- logistic regression ------------------------------------------------------------------------


def test_logistic_regression_ignores_what_weighs_nothing():
    e, truth = blobs(120, classes=3, seed=6)
    test_e, test_y = blobs(60, classes=3, seed=7)
    wrong = np.arange(120) % 2 == 0
    given = np.where(wrong, (truth + 1) % 3, truth)

    assert logistic_regression(e, given, (~wrong).astype(float), test_e, test_y) == 1.0
    assert logistic_regression(e, given, wrong.astype(float), test_e, test_y) == 0.0


def test_logistic_regression_listens_to_weights():
    e, truth = blobs(120, classes=3, seed=6)
    test_e, test_y = blobs(60, classes=3, seed=7)
    wrong = np.arange(120) % 2 == 0
    given = np.where(wrong, (truth + 1) % 3, truth)

    assert logistic_regression(e, given, np.where(wrong, 0.2, 1.0), test_e, test_y) > 0.9


def test_one_class_is_all_it_can_guess():
    e, _ = blobs(6, classes=3, seed=8)

    accuracy = logistic_regression(e, np.full(6, 2), np.ones(6), e, np.array([2, 2, 2, 0, 1, 1]))

    assert accuracy == 0.5


def test_one_exemplar_of_each_class_will_do():
    e, y = blobs(5, classes=5, seed=8)
    test_e, test_y = blobs(50, classes=5, seed=7)

    assert logistic_regression(e, y, np.ones(5), test_e, test_y) > 0.8


def test_no_weight_at_all_is_an_error():
    e, y = blobs(6, classes=3, seed=8)

    with pytest.raises(ValueError, match="nothing to learn"):
        logistic_regression(e, y, np.zeros(6), e, y)


# --- InfoBatch ----------------------------------------------------------------------------------

LOSSES = np.array([0.0, 1.0, 1.0, 2.0, 8.0, 8.0, 8.0, 8.0])  # mean 4.5: four are learnt


def test_infobatch_drops_half_of_the_learnt_and_doubles_the_rest_of_them():
    order, weight = InfoBatch(epochs=8).epoch(1, LOSSES, np.random.default_rng(0))

    assert sorted(weight[:4]) == [0.0, 0.0, 2.0, 2.0]
    assert weight[4:].tolist() == [1.0] * 4
    assert np.flatnonzero(weight).tolist() == sorted(order)


def test_infobatch_is_unbiased():
    rng = np.random.default_rng(1)
    weights = [InfoBatch(epochs=3).epoch(n, LOSSES, rng)[1] for n in (0, 1, 2) for _ in range(700)]

    np.testing.assert_allclose(np.mean(weights, axis=0), np.ones(8), atol=0.1)


def test_infobatch_keeps_samples_it_knows_no_loss_of():
    nothing = InfoBatch(epochs=3).epoch(0, np.full(8, np.nan), np.random.default_rng(0))
    half = InfoBatch(epochs=3).epoch(
        1, np.array([np.nan] * 4 + [1.0, 1.0, 3.0, 3.0]), np.random.default_rng(0)
    )

    assert nothing[1].tolist() == [1.0] * 8
    assert half[1][:4].tolist() == [1.0] * 4
    assert len(half[0]) == 7


def test_infobatch_ends_with_the_whole_pool():
    order, weight = InfoBatch(epochs=8).epoch(7, LOSSES, np.random.default_rng(0))

    assert list(range(8)) == sorted(order)
    assert weight.tolist() == [1.0] * 8


def test_infobatch_of_few_epochs_stops_dropping_inside_the_last():
    """Of 3 epochs the last 12.5 % are .375 of one: 300 of 800 samples, at the end."""
    losses = np.tile([0.0, 1.0], 400)
    order, weight = InfoBatch(epochs=3).epoch(2, losses, np.random.default_rng(0))

    assert weight[order[-300:]].tolist() == [1.0] * 300
    assert 2.0 in weight[order[:-300]]
    assert 800 - len(order) == pytest.approx(125, abs=25)  # half of half of 500


# --- RHO ----------------------------------------------------------------------------------------


def test_rho_takes_what_is_neither_learnt_nor_wrong():
    learnt, wrong, worth, half_learnt = (0.1, 0.1), (5.0, 6.0), (4.0, 0.5), (2.0, 0.4)
    losses, irreducible = np.array([learnt, wrong, worth, half_learnt]).T

    assert rho_choice(losses, irreducible, 2).tolist() == [2, 3]
    assert rho_choice(losses, irreducible, 9).tolist() == [2, 3, 0, 1]


def test_irreducible_losses_are_high_where_the_label_is_wrong():
    exemplars, right = blobs(15, classes=3, seed=9)
    e, truth = blobs(60, classes=3, seed=10)

    good = irreducible_losses(e, truth, exemplars, right)
    bad = irreducible_losses(e, (truth + 1) % 3, exemplars, right)

    assert good.max() < bad.min()
    assert good.mean() < math.log(3) < bad.mean()


def test_a_class_without_exemplars_costs_a_blind_guess():
    exemplars, right = blobs(10, classes=2, seed=9)
    e, _ = blobs(4, classes=2, seed=10)

    losses = irreducible_losses(e, np.full(4, 3), exemplars, right)

    np.testing.assert_allclose(losses, math.log(4))
