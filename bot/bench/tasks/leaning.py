"""What a model leans on before and after people said what matters. Pure.

The shares come from `trainer.bench.leaning`; a run's report can show the same rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainer.segment import FeatureOpinion

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
