"""How sure a reliability is: by hand, against numeric slopes, and against what teams are like."""

import numpy as np
import pytest
from scipy.special import betaincinv, expit, logit

from storage.consensus import Choice, YesNo, aggregate


def team(right, votes_per_item, rng, items=200):
    """(answers, truth) of voters with (P(yes | fits), P(no | does not)) each; 45 % fit."""
    truth = rng.random(items) < 0.45
    cast = [
        YesNo(f"i{n:03d}", f"v{who}", bool((rng.random() < right[who][int(not fits)]) == fits))
        for n, fits in enumerate(truth)
        for who in rng.choice(len(right), votes_per_item, replace=False)
    ]
    return cast, truth


def answers_behind(share):
    """How many answers of known truth make a 90 % interval as wide."""
    sizes = np.linspace(1, 400, 4000)
    right, wrong = sizes * share.mean, sizes * (1 - share.mean)
    width = betaincinv(right, wrong, 0.95) - betaincinv(right, wrong, 0.05)
    return sizes[np.abs(width - (share.high - share.low)).argmin()]


def test_nothing_is_lost_where_every_truth_is_known():
    gold = {f"g{n}": n % 2 == 0 for n in range(40)}
    found = aggregate([YesNo(g, who, fits) for g, fits in gold.items() for who in "ab"], gold)

    on_good = found.voters["a"].on_good
    assert answers_behind(on_good) == pytest.approx(on_good.votes + 4, abs=0.2)


def test_less_is_known_of_a_voter_where_the_truth_has_to_be_guessed():
    cast, truth = team([(0.75, 0.75)] * 4, 3, np.random.default_rng(0))
    gold = {f"i{n:03d}": bool(fits) for n, fits in enumerate(truth)}

    guessed, known = (
        aggregate(cast).voters["v0"].on_good,
        aggregate(cast, gold).voters["v0"].on_good,
    )

    assert guessed.high - guessed.low > 1.3 * (known.high - known.low)
    assert answers_behind(guessed) < 0.7 * (guessed.votes + 4)


def test_the_curvature_of_the_likelihood_tells_the_same():
    """Independent of Louis' identity: second differences of log P(answers, shares) by logits."""
    cast, _ = team([(0.9, 0.8), (0.8, 0.9), (0.85, 0.7)], 3, np.random.default_rng(3), items=400)
    found = aggregate(cast)
    said = np.array([[v.is_yes for v in cast if v.voter == f"v{who}"] for who in range(3)])
    order = [[v.item for v in cast if v.voter == f"v{who}"] for who in range(3)]
    assert order[0] == order[1] == order[2]
    shares = [s for v in found.voters.values() for s in (v.on_good, v.on_bad)]
    at = logit([*(s.mean for s in shares), np.mean(list(found.posterior.values()))])

    def joint(logits):
        share = expit(logits)
        good = np.log(share[6]) + sum(
            np.log(np.where(said[w], share[2 * w], 1 - share[2 * w])) for w in range(3)
        )
        bad = np.log(1 - share[6]) + sum(
            np.log(np.where(said[w], 1 - share[2 * w + 1], share[2 * w + 1])) for w in range(3)
        )
        mean = np.array([s.mean for s in shares])
        prior = 4 * (mean * np.log(share[:6]) + (1 - mean) * np.log(1 - share[:6]))
        return np.logaddexp(good, bad).sum() + prior.sum()

    step = 1e-3 * np.eye(7)
    curvature = (
        np.array(
            [
                [
                    joint(at + a + b) - joint(at + a - b) - joint(at - a + b) + joint(at - a - b)
                    for a in step
                ]
                for b in step
            ]
        )
        / 4e-6
    )
    variance = np.diag(np.linalg.inv(-curvature))[:6]

    behind = [answers_behind(s) for s in shares]
    expected = [1 / (v * s.mean * (1 - s.mean)) for v, s in zip(variance, shares, strict=True)]
    assert behind == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("votes_per_item", [2, 3, 5])
def test_nine_of_ten_intervals_hold_the_truth(votes_per_item):
    """Taking beliefs for counts, only 65 to 79 % did."""
    rng = np.random.default_rng(1)
    is_in = []
    for _ in range(20):
        right = rng.beta(6, 2, (5, 2))
        voters = aggregate(team(right, votes_per_item, rng)[0]).voters
        for who, (on_good, on_bad) in enumerate(right):
            one = voters[f"v{who}"]
            is_in += [one.on_good.low <= on_good <= one.on_good.high]
            is_in += [one.on_bad.low <= on_bad <= one.on_bad.high]

    assert 0.82 < np.mean(is_in) < 0.97


@pytest.mark.parametrize("votes_per_item", [3, 5])
def test_nine_of_ten_intervals_of_choosing_hold_the_truth(votes_per_item):
    rng = np.random.default_rng(2)
    is_in = []
    for _ in range(10):
        right = rng.beta(6, 2, 5)
        cast = [
            Choice(
                f"i{n:03d}",
                f"v{who}",
                f"c{(n + (rng.random() > right[who]) * rng.integers(1, 4)) % 4}",
            )
            for n in range(150)
            for who in rng.choice(5, votes_per_item, replace=False)
        ]
        voters = aggregate(cast).voters
        is_in += [
            voters[f"v{who}"].choosing.low <= p <= voters[f"v{who}"].choosing.high
            for who, p in enumerate(right)
        ]

    assert np.mean(is_in) > 0.78
