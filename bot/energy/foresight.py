"""What a run will cost in the end, from what its first steps cost, with a band. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from bot import words
from bot.energy.budget import Budget, Spent

MIN_PACES = 5
"""Looks at the training before anything is foretold: fewer say nothing about their own spread."""
DRIFT = 0.06
"""How far the pace of a training may move after its first steps, as a share: heat, other programs,
batches of other lengths (seen in recorded runs)."""
OTHER_U = 0.3
"""Uncertainty of what comes once or a few times: evaluations, loading, scoring, checkpoints."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What some training cost, between two looks."""

    samples: int
    energy_j: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Joules and seconds of something that comes again."""

    energy_j: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is left of a run's plan.

    Attributes:
        samples: to be trained on, over all arms.
        others: what else comes, as (how often, what one costs).
    """

    samples: int
    others: tuple[tuple[int, Cost], ...] = ()


@dataclass(frozen=True, slots=True)
class Band:
    """A forecast with its 95 % band."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run costs in all, if it goes to its planned end, and how long the machine still works."""

    energy_j: Band
    left_s: Band


def foretell(spent: Spent, paces: Sequence[Pace], ahead: Ahead) -> Outlook | None:
    """The outlook; None before there are enough looks.

    Args:
        spent: by the run so far.
        paces: of its training, oldest first, the warm-up left out.
        ahead: what is left of its plan.
    """
    if len(paces) < MIN_PACES:
        return None
    joules = _training([p.energy_j for p in paces], paces, ahead.samples)
    seconds = _training([p.seconds for p in paces], paces, ahead.samples)
    other_j = sum(times * cost.energy_j for times, cost in ahead.others)
    other_s = sum(times * cost.seconds for times, cost in ahead.others)
    energy = _band(*joules, other_j)
    return Outlook(
        Band(*(spent.energy_j + x for x in (energy.value, energy.low, energy.high))),
        _band(*seconds, other_s),
    )


def _training(amounts: Sequence[float], paces: Sequence[Pace], left: int) -> tuple[float, float]:
    """(what the training that is left costs, its half-width)."""
    seen, k = sum(p.samples for p in paces), len(paces)
    rate = sum(amounts) / seen
    off = sum((a - rate * p.samples) ** 2 for a, p in zip(amounts, paces, strict=True))
    standard_error = math.sqrt(off * k / (k - 1)) / seen
    half = math.hypot(student(0.975, k - 1) * standard_error, DRIFT * rate)
    return left * rate, left * half


def _band(training: float, half: float, others: float) -> Band:
    u = math.hypot(half, OTHER_U * others)
    value = training + others
    return Band(value, max(0.0, value - u), value + u)


def student(p: float, df: int) -> float:
    """A quantile of Student's t (Abramowitz and Stegun 26.7.5; 2 % off at 3 degrees of freedom).

    SciPy has it, too, at 30 MB of the bot's memory.
    """
    z = NormalDist().inv_cdf(p)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / df**i for i, term in enumerate(terms, 1))


# --- in words -----------------------------------------------------------------------------------


def said(outlook: Outlook, *, is_estimated: bool) -> str:
    """The outlook in one sentence."""
    energy, left = outlook.energy_j, outlook.left_s
    total = words.energy(energy.value, (energy.high - energy.low) / 2)
    by = f"{'≈ ' if is_estimated else ''}{total} in all"
    label = "estimated" if is_estimated else "measured"
    return (
        f"Forecast: {by}, as this host's meter tells it ({label}), and "
        f"{words.duration(left.value)} of work left ({words.duration(left.low)} to "
        f"{words.duration(left.high)}); less where it ends early."
    )


def against_budget(outlook: Outlook, spent: Spent, budget: Budget) -> str:
    """Whether a budget will do, in one sentence."""
    used = f"Used: {budget.said(spent)}."
    high = budget.share(_in_the_end(outlook.energy_j.high, outlook.left_s.high, spent))
    low = budget.share(_in_the_end(outlook.energy_j.low, outlook.left_s.low, spent))
    if high is None or low is None:
        return used
    if low > 1:
        return f"{used} It will not do for the whole plan."
    return f"{used} It should do." if high <= 1 else f"{used} It may not do for the whole plan."


def _in_the_end(energy_j: float, left_s: float, spent: Spent) -> Spent:
    return spent.plus(energy_j - spent.energy_j, left_s)
