"""Arms that ask nobody: what each of them trains on."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trainer.pools import dirty_pool, unit
from trainer.arms import ARMS, Case
from trainer.signals import Hints, PoolView

POOL = dirty_pool(n=200)


def case_of(view: PoolView = POOL.view, is_right: np.ndarray | None = POOL.is_good, seed: int = 0):
    rng = np.random.default_rng(seed)
    return Case(view.labels, view.group, lambda: view, is_right, rng)


def doubled() -> PoolView:
    """The pool, and its first 50 samples once more."""
    index, view = np.r_[np.arange(200), np.arange(50)], POOL.view
    return PoolView(view.embeddings[index], view.labels[index], view.names, index)


def test_the_control_arm_takes_everything_and_exact_duplicates_once():
    chosen = ARMS["control"](case_of(doubled()))

    assert (chosen.weight[:200] == 1).all()
    assert (chosen.weight[200:] == 0).all()
    assert (chosen.label == doubled().labels).all()


def test_the_random_arm_takes_about_half_by_its_seed_alone():
    first, again, other = (ARMS["random"](case_of(seed=seed)) for seed in (0, 0, 1))

    assert 70 < (first.weight > 0).sum() < 130
    assert (first.weight == again.weight).all()
    assert (first.weight != other.weight).any()


def test_the_oracle_takes_what_is_right_and_nothing_else():
    chosen = ARMS["oracle"](case_of())

    assert ((chosen.weight > 0) == POOL.is_good).all()


def test_the_oracle_without_a_truth_says_what_it_needs():
    with pytest.raises(ValueError, match=r"needs a truth; set data\.truth or data\.dirt"):
        ARMS["oracle"](case_of(is_right=None))


@pytest.mark.parametrize("arm", ["random", "oracle"])
def test_copies_of_what_an_arm_takes_are_trained_on_once(arm):
    is_right = np.r_[POOL.is_good, POOL.is_good[:50]]

    chosen = ARMS[arm](case_of(doubled(), is_right))

    assert (chosen.weight[200:] == 0).all()


def test_an_oracle_that_finds_nothing_right_takes_everything_rather_than_nothing():
    assert (ARMS["oracle"](case_of(is_right=np.zeros(200, bool))).weight == 1).all()


def test_the_arm_of_confident_learning_is_cleaner_than_the_pool():
    pytest.importorskip("sklearn")

    kept = ARMS["cleanlab"](case_of()).weight > 0

    assert 0 < kept.sum() < 200
    assert POOL.is_good[kept].mean() > POOL.is_good.mean()


def pairs(n: int = 120, turned: float = 0.3) -> tuple[PoolView, np.ndarray]:
    """Pairs whose better answers lie elsewhere than the worse ones; which are filed rightly."""
    rng = np.random.default_rng(0)
    is_right = rng.random(n) >= turned
    good = unit(rng.normal(size=(n, 8)) + 3 * np.eye(8)[0])
    bad = unit(rng.normal(size=(n, 8)) + 3 * np.eye(8)[1])
    filed = np.where(is_right[:, None], good, bad), np.where(is_right[:, None], bad, good)
    hints = Hints(signals=np.zeros((n, 1)), filed=filed[1], prior=np.ones(n))
    view = PoolView(filed[0], rng.integers(0, 2, n), None, np.arange(n), hints)
    return view, is_right


def test_a_reward_model_turns_most_of_what_was_turned_by_chance():
    pytest.importorskip("sklearn")
    view, is_right = pairs()

    chosen = ARMS["autorel"](case_of(view, None))

    is_same = chosen.label == view.labels
    assert (is_same == is_right).mean() > 0.9 > is_right.mean()
    assert (chosen.weight == 1).all()


def test_a_reward_model_has_nothing_to_turn_where_there_are_no_pairs():
    with pytest.raises(ValueError, match="pairs"):
        ARMS["autorel"](case_of())


def test_robust_preferences_are_surer_than_sure():
    """(1 - .35) / (1 - 2 x .35) = 2.167, so that the mean loss over turns by chance is unbiased."""
    view, _ = pairs()

    assert ARMS["rdpo"](case_of(view, None)).keep == pytest.approx(np.full(120, 2.1667), abs=1e-4)
