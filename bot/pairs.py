"""Arms held against each other over several seeds: a saving with its interval, or none. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Literal

MIN_PAIRS = 3
RESAMPLES = 9_999
LEVEL = 0.95

Claim = Literal["saves", "costs", "nothing"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over pairs and its 95 % bootstrap interval; none below three pairs."""

    mean: float
    low: float | None
    high: float | None
    pairs: int

    @property
    def claim(self) -> Claim | None:
        """What may be said of a gain; None where there is no interval to say it by."""
        if self.low is None or self.high is None:
            return None
        if self.low > 0:
            return "saves"
        return "costs" if self.high < 0 else "nothing"

    @property
    def how_many(self) -> str:
        """`one pair, no interval`, `2 pairs, no interval`, `4 seed pairs`."""
        if self.low is None:
            return (
                "one pair, no interval" if self.pairs == 1 else f"{self.pairs} pairs, no interval"
            )
        return f"{self.pairs} seed pairs"


def interval(values: Sequence[float]) -> Interval:
    """The mean of one value per pair, resampled pair by pair.

    Percentile bootstrap: of three pairs it spans from the smallest to the largest. Values that are
    all alike are their own interval.
    """
    if len(values) < MIN_PAIRS:
        return Interval(mean(values), None, None, len(values))
    if max(values) == min(values):
        return Interval(values[0], values[0], values[0], len(values))
    from scipy.stats import bootstrap  # a second to import, and rarely needed

    found = bootstrap(
        (list(values),), _mean, confidence_level=LEVEL, n_resamples=RESAMPLES,
        method="percentile", vectorized=True, rng=0,
    ).confidence_interval  # fmt: skip
    return Interval(mean(values), float(found.low), float(found.high), len(values))


def _mean(sample: object, axis: int = -1) -> object:
    import numpy as np

    return np.mean(np.asarray(sample), axis=axis)


def saving(ratios: Sequence[float]) -> Interval:
    """The share saved, 1 - (with votes / without), as the geometric mean of the pairs' ratios."""
    logs = interval([math.log(ratio) for ratio in ratios])
    low, high = (None if b is None else 1 - math.exp(b) for b in (logs.high, logs.low))
    return Interval(1 - math.exp(logs.mean), low, high, logs.pairs)


def saving_said(found: Interval, what: str) -> str:
    """The saving in words; refuses to claim one where the interval covers zero.

    Args:
        found: see `saving`.
        what: was spent less, e.g. `machine energy to the control's accuracy`.
    """
    change = f"{_percent(-found.mean)} {what}"
    if found.low is None or found.high is None:
        return f"{change} ({found.how_many})."
    change += f" (95 % CI {_percent(-found.high)} to {_percent(-found.low)}, {found.how_many})"
    said = {
        "saves": "votes saved energy",
        "costs": "votes did not pay: they cost energy",
        "nothing": "the interval covers zero, so no saving is claimed: votes did not pay",
    }
    claim = found.claim
    assert claim is not None
    return f"{change}: {said[claim]}."


def _percent(share: float) -> str:
    return f"{100 * share:+.0f} %".replace("-", "\N{MINUS SIGN}")
