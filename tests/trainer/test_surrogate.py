"""A model of the team's votes: what it finds, and what it may never do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.pools import dirty_pool, unit, voted_on
from trainer import signals as hints
from trainer.signals import (
    PoolView,
    name_rank,
    names_speak,
    prior_mean,
    refined_signals,
    signals,
)  # fmt: skip
from trainer.surrogate import Evidence, VoteModel, _combine, _Process, auc, auc_slack

SEEDS = range(3)
NOBODY = Evidence.of(np.array([], dtype=np.int64), np.array([]))


# --- finding dirt -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_dirt_is_found_from_a_few_votes(seed):
    pool = dirty_pool(seed=seed)

    assert auc(voted_on(pool, 30, seed).keep(), pool.is_good) > 0.85


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_dirt_is_found_where_label_names_mean_nothing(seed):
    pool = dirty_pool(seed=seed, names=False)

    assert auc(voted_on(pool, 30, seed).keep(), pool.is_good) > 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_label_names_alone_say_more_than_nothing(seed):
    pool = dirty_pool(seed=seed)

    keep = VoteModel(pool.view, signals(pool.view), NOBODY).keep()

    assert auc(keep, pool.is_good) > 0.75


def test_without_votes_and_names_the_model_has_no_opinion():
    pool = dirty_pool(names=False)

    keep = VoteModel(pool.view, signals(pool.view), NOBODY).keep()

    assert keep == pytest.approx(np.full(len(keep), 0.5))


def test_votes_against_the_usual_signals_turn_the_model_round():
    """A team that keeps what looks wrong is a team like any other."""
    pool = dirty_pool(names=False)
    contrary = replace(pool, is_good=~pool.is_good)

    keep = voted_on(contrary, 80).keep()

    assert auc(keep, contrary.is_good) > 0.8


def test_more_votes_make_a_better_model_on_average():
    def mean_auc(votes: int) -> float:
        pools = [dirty_pool(seed=seed, spread=3.5, names=False) for seed in range(5)]
        return float(np.mean([auc(voted_on(p, votes).keep(), p.is_good) for p in pools]))

    assert mean_auc(120) > mean_auc(12) + 0.03


def test_a_voted_sample_leans_to_its_vote():
    pool = dirty_pool(seed=4)
    before = VoteModel(pool.view, signals(pool.view), NOBODY).keep()
    yes, no = int(np.argmin(before)), int(np.argmax(before))

    keep = VoteModel(
        pool.view, signals(pool.view), Evidence.of(np.array([yes, no]), np.array([0.95, 0.05]))
    ).keep()

    assert keep[yes] > before[yes] + 0.1
    assert keep[no] < before[no] - 0.1


def test_what_people_disagree_on_hardly_counts():
    pool = dirty_pool(seed=4, names=False)
    index = np.arange(10)

    split = VoteModel(pool.view, signals(pool.view), Evidence.of(index, np.full(10, 0.5))).keep()

    assert split == pytest.approx(np.full(len(split), 0.5), abs=1e-6)
    assert (Evidence.of(index, np.full(10, 0.5)).noise > 1).all()
    assert Evidence.of(index, np.full(10, 1.0)).noise == pytest.approx(0.05)


@pytest.mark.parametrize("right", [0.6, 0.7, 0.95])
def test_votes_are_true_in_the_mean_and_as_noisy_as_they_deserve(right):
    """Of a good sample a vote says good with probability `right`, else bad: its mean is 1."""
    said = Evidence.of([0, 1], [right, 1 - right])
    chance = np.array([right, 1 - right])

    mean = float(chance @ said.target)

    assert mean == pytest.approx(1)
    assert said.noise - 0.05 == pytest.approx(float(chance @ (said.target - mean) ** 2))


@pytest.mark.parametrize("keep", [0.9, 0.1], ids=["all yes", "all no"])
def test_votes_that_all_say_the_same_are_survived(keep):
    pool = dirty_pool(n=60)
    index = np.arange(30)

    model = VoteModel(pool.view, signals(pool.view), Evidence.of(index, np.full(30, keep)))

    assert np.isfinite(model.keep()).all()
    assert model.leave_one_out_auc() is None
    assert (model.keep()[index].mean() > 0.5) == (keep > 0.5)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_the_smallest_pools_give_probabilities(n):
    pool = dirty_pool(n=n, classes=2)

    keep = voted_on(pool, 1).keep()

    assert ((keep > 0) & (keep < 1)).all()


# --- what holds of a Gaussian process -----------------------------------------------------------


@pytest.mark.parametrize("votes", [10, 40], ids=["one kernel", "several kernels"])
def test_leaving_one_out_in_closed_form_is_fitting_again_without_it(votes):
    """Same kernel and weights, each vote left out by brute force: the areas are equal."""
    pool = dirty_pool(seed=3, names=False)
    model = voted_on(pool, votes, wrong=0.2)
    first = model._first
    index, t, noise = model.evidence.index, model.evidence.target, model.evidence.noise

    by_force = np.zeros(votes)
    parts = first._parts(index, index)
    for expert in first._experts:
        covariance = _combine(expert.kernel, parts)
        rest = t - expert.kernel.prior * first._prior[index]
        for i in range(votes):
            others = np.arange(votes) != i
            k = covariance[np.ix_(others, others)]
            k += np.diag(expert.kernel.noise * noise[others])
            mean = covariance[i, others] @ np.linalg.solve(k, rest[others])
            mean += expert.kernel.prior * first._prior[index[i]]
            by_force[i] += expert.weight * mean

    assert model.leave_one_out_auc() == pytest.approx(auc(by_force, t > 0))
    assert 0.5 < model.leave_one_out_auc() < 1


def test_fewer_than_eight_votes_are_not_judged():
    assert voted_on(dirty_pool(), 7).leave_one_out_auc() is None


@pytest.mark.parametrize("votes", [0, 5, 40])
def test_the_posterior_covariance_is_one(votes):
    pool = dirty_pool(n=80)
    model = voted_on(pool, votes) if votes else VoteModel(pool.view, signals(pool.view), NOBODY)
    rows = np.arange(80)

    covariance = model.posterior_covariance(rows, rows)

    assert covariance == pytest.approx(covariance.T, abs=1e-9)
    assert np.linalg.eigvalsh(covariance).min() > -1e-8
    assert model.posterior_covariance(rows[:9], rows[3:30]) == pytest.approx(covariance[:9, 3:30])


def test_votes_only_ever_settle_a_sample_never_unsettle_it():
    pool = dirty_pool(n=80)
    rows = np.arange(80)
    few = _Process(pool.view, signals(pool.view), voted_on(pool, 5).evidence)
    index = np.concatenate([few.evidence.index, np.setdiff1d(rows, few.evidence.index)[:10]])
    more = _Process(pool.view, few.x, Evidence.of(index, np.full(15, 0.9)))
    more._scale = few._scale
    more._experts = more._fit()

    before = np.diag(few.posterior_covariance(rows, rows))
    after = np.diag(more.posterior_covariance(rows, rows))

    assert (after <= before + 1e-9).all()
    assert (after[index[5:]] < before[index[5:]] - 0.05).all()


def test_the_kernels_share_one_unit_of_weight():
    model = voted_on(dirty_pool(), 40)

    for process in (model._first, model._last):
        weights = [expert.weight for expert in process._experts]
        assert sum(weights) == pytest.approx(1)
        assert len(weights) > 1
        assert weights == sorted(weights, reverse=True)


def test_what_is_said_is_the_mean_of_a_fit_without_and_one_with_hints_of_what_is_good():
    few, many = voted_on(dirty_pool(), 19), voted_on(dirty_pool(), 20)

    assert few._last is few._first
    assert many._last.x.shape[1] == many._first.x.shape[1] + 7
    assert many.keep() == pytest.approx((many._first.keep() + many._last.keep()) / 2)


def test_the_order_of_the_votes_does_not_matter():
    pool = dirty_pool()
    model = voted_on(pool, 30)
    turned = Evidence(model.evidence.index[::-1], model.evidence.keep[::-1])

    again = VoteModel(pool.view, model.x, turned)

    assert again.keep() == pytest.approx(model.keep(), abs=1e-6)


def test_a_pool_larger_than_a_block_is_seen_whole():
    """The signals of a pool do not depend on how it is cut into blocks of 2,048."""
    small = dirty_pool(n=700)
    tiled = PoolView(
        np.tile(small.view.embeddings, (3, 1)), np.tile(small.view.labels, 3), small.view.names,
        np.tile(small.view.group, 3),
    )  # fmt: skip

    rank = name_rank(tiled, tiled.names)
    keep = VoteModel(tiled, signals(tiled), NOBODY).keep()

    assert rank[1400:].tolist() == rank[:700].tolist() == rank[700:1400].tolist()
    assert keep[1400:] == pytest.approx(keep[:700], abs=1e-5)


# --- signals ------------------------------------------------------------------------------------


def test_signals_are_standardised_and_finite():
    x = signals(dirty_pool().view)

    assert x.shape == (300, 9)
    assert x.mean(axis=0) == pytest.approx(np.zeros(9), abs=1e-9)
    assert x.std(axis=0) == pytest.approx(np.ones(9), abs=1e-6)
    assert signals(dirty_pool(names=False).view).shape == (300, 5)


def test_the_rank_of_a_name_counts_the_names_that_are_closer():
    """A sample at 10 degrees; names at 0, 20 and 90: label 0 is closest (tie apart), 2 the last."""
    angle = np.deg2rad([10.0, 10.0, 10.0])
    names = np.deg2rad([0.0, 25.0, 90.0])
    pool = PoolView(
        unit(np.stack([np.cos(angle), np.sin(angle)], 1)), np.array([0, 1, 2]),
        unit(np.stack([np.cos(names), np.sin(names)], 1)), np.arange(3),
    )  # fmt: skip

    assert name_rank(pool, pool.names).tolist() == [0, 1, 2]
    assert prior_mean(pool)[0] > prior_mean(pool)[1] > prior_mean(pool)[2]


def test_duplicates_are_no_neighbours_of_each_other():
    """A mislabelled sample that stands there twenty times does not vouch for itself."""
    pool = dirty_pool(n=100, seed=2, names=False)
    bad = int(np.flatnonzero(~pool.is_good)[0])
    copies = np.full(20, bad)
    index = np.concatenate([np.arange(100), copies])

    def agreement(group: np.ndarray) -> np.ndarray:
        view = PoolView(pool.view.embeddings[index], pool.view.labels[index], None, group)
        return signals(view)[:, 0]

    as_one, as_many = agreement(index), agreement(np.arange(120))

    assert as_one[bad] < as_many[bad] - 0.5


def test_refined_hints_leave_the_sample_itself_out(monkeypatch):
    """Whether a sample is thought good changes the others' hints, never its own."""
    monkeypatch.setattr(hints, "standardised", lambda x: x)  # else every row moves with every other
    pool = dirty_pool(n=80).view
    keep = np.random.default_rng(0).random(80)
    other = keep.copy()
    other[5] = 1 - keep[5]

    before, after = refined_signals(pool, keep), refined_signals(pool, other)

    assert after[5] == pytest.approx(before[5], abs=1e-12)
    peers = np.flatnonzero((pool.labels == pool.labels[5]) & (np.arange(80) != 5))
    assert (np.abs(after[peers] - before[peers]).max(axis=1) > 1e-6).all()


def test_refined_hints_are_standardised_and_finite_even_where_nothing_is_good():
    for view in (dirty_pool(n=50).view, dirty_pool(n=2, classes=2, names=False).view):
        for keep in (np.zeros(len(view)), np.ones(len(view)), np.full(len(view), 0.5)):
            x = refined_signals(view, keep)
            assert x.shape == (len(view), 7)
            assert np.isfinite(x).all()
            assert np.abs(x.mean(axis=0)).max() < 1e-6


def test_what_was_filed_in_bulk_looks_right_until_it_is_known_what_is_good():
    """A third of label 0 is a heap of class 1: its neighbours vouch for it, good ones do not."""
    pool = dirty_pool(n=300, dirt=0.0, spread=1.0, names=False)
    labels = pool.view.labels.copy()
    heap = np.flatnonzero(labels == 1)
    labels[heap] = 0
    view = replace(pool.view, labels=labels)
    is_good = np.ones(300, bool)
    is_good[heap] = False
    known = np.full(300, 0.8)
    known[heap] = 0.2
    of_label = labels == 0

    plain = auc(signals(view)[of_label, 0], is_good[of_label])
    refined = refined_signals(view, known)[of_label]

    assert plain < 0.75
    assert auc(refined[:, 4], is_good[of_label]) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_real_names_speak_and_names_of_other_labels_do_not(seed):
    pool = dirty_pool(classes=8, seed=seed).view

    assert names_speak(pool, pool.names)
    assert not names_speak(pool, np.roll(pool.names, 1, axis=0))


def test_names_that_are_ids_hardly_ever_speak():
    """They lie anywhere, and so sometimes near their samples; never near most of them."""
    rng = np.random.default_rng(0)
    pools = [dirty_pool(classes=12, seed=seed).view for seed in range(20)]

    speak = [names_speak(pool, unit(rng.normal(size=pool.names.shape))) for pool in pools]

    assert sum(speak) <= 2


# --- area under the curve -----------------------------------------------------------------------


def test_the_area_counts_pairs_in_order_and_ties_half():
    """Good .9 and .5, bad .5 and .1: of 4 pairs 3 are in order and 1 is a tie: 3.5 / 4."""
    good = np.array([True, True, False, False])

    assert auc(np.array([0.9, 0.5, 0.5, 0.1]), good) == pytest.approx(3.5 / 4)
    assert auc(np.zeros(4), good) == 0.5
    assert auc(np.zeros(2), np.array([True, True])) is None


@given(st.floats(0, 1), st.integers(1, 200), st.integers(1, 200))
def test_chance_leaves_less_room_the_more_votes_there_are(score, good, bad):
    few = auc_slack(score, np.arange(good + bad) < good)
    many = auc_slack(score, np.arange(4 * (good + bad)) < 4 * good)

    assert 0 <= many <= few + 1e-12
    assert np.isfinite(few)


def test_the_room_for_chance_is_hanley_and_mcneils():
    """A = .7, 10 good, 15 bad: Q1 = .7/1.3, Q2 = .98/1.7, so var = (.21 + 9 x .048462
    + 14 x .086471) / 150 = .012378 and 1.28 sd = .1424."""
    assert auc_slack(0.7, np.arange(25) < 10) == pytest.approx(0.1424, abs=1e-4)
