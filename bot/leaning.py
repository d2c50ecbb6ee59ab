"""What a model leans on before and after people said what matters. Pure.

A run's report shows them, and the benchmark of tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.segment import FeatureOpinion, Leaning, SegmentReport

Shares = Mapping[str, Mapping[str, float]]
"""Label -> feature -> mean share of the attribution that lies on it, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How much a model leans on one feature that people voted on.

    Attributes:
        label: the label.
        feature: the feature.
        value: what people think of it: -1 misleads, 0 does not matter, 1 matters most.
        votes: how many voted.
        before: share of the attribution that lay on it when they were asked, in [0, 1].
        after: the same at the end.
    """

    label: str
    feature: str
    value: float
    votes: int
    before: float
    after: float

    @property
    def is_as_said(self) -> bool | None:
        """Whether the model moved the way people wanted; None where they wanted no change."""
        if self.value < 0:
            return self.after < self.before
        return self.after > self.before if self.value > NEUTRAL else None


SAID = 4
NEUTRAL = 0.5
"""Importance of a feature that nobody spoke of."""


def shifts(opinions: Sequence[FeatureOpinion], before: Shares, after: Shares) -> tuple[Shift, ...]:
    """A shift per feature that was voted on and measured, the largest change first."""
    found = [
        Shift(o.label, o.feature, o.value, o.votes, before[o.label][o.feature], share)
        for o in opinions
        if (share := after.get(o.label, {}).get(o.feature)) is not None
        and o.feature in before.get(o.label, {})
    ]
    return tuple(sorted(found, key=lambda s: (-abs(s.after - s.before), s.label, s.feature)))


def of_reports(reports: Sequence[SegmentReport]) -> tuple[Shift, ...]:
    """What an arm leaned on when people were asked about it, and what when it ended.

    Args:
        reports: of the arm's segments, in order.
    """
    before: dict[str, dict[str, float]] = {}
    after: dict[str, dict[str, float]] = {}
    found: list[Leaning] = []
    for report in reports:
        for view in report.features:
            shares = before.setdefault(view.label, {})
            for feature, share in zip(view.features, view.shares, strict=True):
                shares.setdefault(feature, share)
        for one in report.leanings:
            after.setdefault(one.label, {})[one.feature] = one.share
            found.append(one)
    return shifts(found, before, after)


def said(found: Sequence[Shift]) -> str:
    """The largest shifts in one sentence; "" without any."""
    if not found:
        return ""
    parts = [
        f"“{s.feature}” for “{s.label}” {_percent(s.before)} → {_percent(s.after)}"
        for s in found[:SAID]
    ]
    return f"What the model leans on, when you were asked and now: {'; '.join(parts)}."


def shifts_table(found: Sequence[Shift]) -> list[tuple[str, ...]]:
    """A heading, and a row per shift."""
    rows: list[tuple[str, ...]] = [
        ("label", "feature", "importance by votes", "votes", "share before", "share after")
    ]
    rows += [
        (s.label, s.feature, f"{s.value:+.2f}", str(s.votes), _percent(s.before), _percent(s.after))
        for s in found
    ]
    return rows


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
