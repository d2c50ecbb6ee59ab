"""The watch over a round's effect."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.guard import IN_A_ROW, Guard, surely_worse


def right(share: float, n: int = 400) -> np.ndarray:
    """The first `share` of the samples are got right."""
    return (np.arange(n) < share * n).astype(float)


def test_a_loss_beyond_noise_is_seen_and_one_within_it_is_not():
    assert surely_worse(right(0.75), right(0.8))
    assert not surely_worse(right(0.8), right(0.8))
    assert not surely_worse(right(0.81), right(0.8))
    # two lost of four hundred: as likely chance
    assert not surely_worse(right(0.795), right(0.8))


def test_one_in_twenty_by_chance():
    rng = np.random.default_rng(0)
    before = (rng.random((2000, 300)) < 0.7).astype(float)
    flips = rng.random((2000, 300)) < 0.1  # the same quality, other samples
    after = np.where(flips, (rng.random((2000, 300)) < 0.7).astype(float), before)

    alarms = np.mean([surely_worse(a, b) for a, b in zip(after, before, strict=True)])
    assert 0.02 < alarms < 0.08


def test_graded_scores_count_too():
    rng = np.random.default_rng(1)
    before = -rng.gamma(4, 10, 100)  # nats of answers, of very different lengths
    assert surely_worse(before - 0.3 - rng.normal(0, 0.5, 100), before)


@pytest.mark.parametrize("scores", [[0.5, 0.5], [0.9, 0.5, 0.9, 0.5]])
def test_harm_is_told_by_evaluations_in_a_row(scores):
    guard = Guard(right(0.8))
    seen = []
    for share in scores:
        guard = guard.after(right(share))
        seen.append(guard.sees_harm)
    assert seen[-1] == (scores == [0.5] * IN_A_ROW)


def test_without_a_before_nothing_is_watched():
    guard = Guard().after(right(0.1)).after(right(0.0))
    assert not guard.sees_harm
