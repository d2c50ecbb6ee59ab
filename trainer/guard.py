"""Whether what people said does harm: the dev set before and after, sample by sample. Pure.

No control is trained for it. A round of votes changes what is trained on; where the held-out samples
are then surely got worse than before it, one evaluation after the other, its effect is undone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trainer.signals import Array

SURE = 1.64
"""Standard errors: one in twenty by chance."""
IN_A_ROW = 2
"""Evaluations: the first after a change is often a dip."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The watch over one round's effect.

    Attributes:
        before: float (dev,), how well each held-out sample was got before it; None where nothing is
            known of that, and so nothing is watched.
        worse: evaluations in a row that were surely worse.
    """

    before: Array | None = None
    worse: int = 0

    def after(self, scores: Array) -> Guard:
        """The watch after one more evaluation: float (dev,), higher is better."""
        if self.before is None:
            return self
        return replace(self, worse=self.worse + 1 if surely_worse(scores, self.before) else 0)

    @property
    def sees_harm(self) -> bool:
        """Whether the round's effect is to be undone."""
        return self.worse >= IN_A_ROW


def surely_worse(after: Array, before: Array) -> bool:
    """Whether chance alone would hardly ever make the same samples so much worse: paired, one-sided."""
    change = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    spread = float(change.std(ddof=1)) if len(change) > 1 else 0.0
    return bool(change.mean() < -SURE * spread / len(change) ** 0.5)
