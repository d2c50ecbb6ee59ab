"""What arms cost until they are as good as another one, and how good they are for a given cost. Pure.

A curve is a list of evaluations with its costs so far; its metric is the mean probability of a
held-out token, or an accuracy.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from bot.bench.learning.summary import final, interval
from bot.bench.tasks.groups import Row

TRAIN_COST = 2.2
"""Forwards that training on a sample costs."""
Curve = Sequence[Mapping[str, float]]


class Cells:
    """All results, by recipe, arm and seed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str], dict[int, Row]] = defaultdict(dict)
        for row in rows:
            self._rows[row["recipe"], arm_of(row)][row["seed"]] = row

    def of(self, recipe: str, arm: str) -> Mapping[int, Row]:
        """Seed -> result."""
        return self._rows.get((recipe, arm), {})

    def arms(self, recipe: str) -> list[str]:
        """In order of appearance."""
        return [arm for name, arm in self._rows if name == recipe]


def arm_of(row: Row) -> str:
    """The arm of a result, with its votes where there are any: `human:100`."""
    return f"{row['arm']}:{row['votes']}" if row["votes"] else str(row["arm"])


def nats(metric: float) -> float:
    """Loss per token of a mean probability."""
    return -math.log(metric)


def final_nats(row: Row) -> float:
    """Loss of what an arm leaves: where its dev metric was best, else at its end."""
    return nats(final(row))


def cost_to(curve: Curve, target: float, unit: str) -> float | None:
    """What it cost until the loss was as low as `target`, in nats, first; None = never.

    Between two evaluations the loss is taken to run straight.
    """
    before: Mapping[str, float] | None = None
    for point in curve:
        loss = nats(point["metric"])
        if loss <= target:
            if before is None or nats(before["metric"]) == loss:
                return point[unit]
            share = (nats(before["metric"]) - target) / (nats(before["metric"]) - loss)
            return before[unit] + share * (point[unit] - before[unit])
        before = point
    return None


def nats_at(curve: Curve, cost: float, unit: str) -> float:
    """The loss once so much is spent; that of the last evaluation where an arm spent less."""
    before = curve[0]
    for point in curve[1:]:
        if point[unit] >= cost:
            share = (cost - before[unit]) / max(point[unit] - before[unit], 1e-9)
            return nats(before["metric"]) + max(share, 0.0) * (
                nats(point["metric"]) - nats(before["metric"])
            )
        before = point
    return nats(before["metric"])


def with_scoring(curve: Curve, tokens_per_sample: float) -> list[dict[str, float]]:
    """The curve with `all_tokens`: tokens trained on, and every other forward in such tokens.

    Args:
        curve: with samples, tokens and forwards so far.
        tokens_per_sample: of the pool.
    """
    return [
        {
            **point,
            "all_tokens": point["tokens"]
            + (point["forwards"] - TRAIN_COST * point["samples"]) * tokens_per_sample / TRAIN_COST,
        }
        for point in curve
    ]


def left_at(row: Row, cost: float, unit: str) -> float:
    """The metric of what an arm leaves when it may spend so much: where its dev metric is best.

    Nothing that it can pay for: what it begins with.
    """
    paid = [point for point in row["curve"] if point[unit] <= cost] or row["curve"][:1]
    return final({**row, "curve": paid})


def span(values: Sequence[float], digits: int = 2) -> str:
    """A mean over seeds with its 95 % interval, as words."""
    found = interval(values)
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.mean:.{digits}f} (1 seed)"
    return f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def mean_of_all(values: Sequence[float | None]) -> float | None:
    """The mean over all seeds; None where one never got there: a mean over the rest is none."""
    known = [v for v in values if v is not None]
    return mean(known) if known and len(known) == len(values) else None


def reached(values: Sequence[float | None]) -> str:
    """In how many seeds it got there, as words."""
    return f"{sum(v is not None for v in values)} of {len(values)} seeds"
