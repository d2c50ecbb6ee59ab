"""Whether training still gets anywhere: the best dev metric so far, and how long ago it was. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Progress:
    """The dev metric's course so far.

    Attributes:
        best: the best dev metric, in [0, 1]; below 0 before the first evaluation.
        best_samples: how many samples had been trained on then.
        flat: evaluations since then.
    """

    best: float = -1.0
    best_samples: int = 0
    flat: int = 0

    def after(self, dev: float, samples: int) -> Progress:
        """The course with one more evaluation; only what is better than all before counts."""
        if dev > self.best:
            return Progress(dev, samples, 0)
        return replace(self, flat=self.flat + 1)

    def is_flat(self, patience: int) -> bool:
        """Whether nothing got better for `patience` evaluations; never with a patience of 0."""
        return patience > 0 and self.flat >= patience

    def afresh(self) -> Progress:
        """The same best, with all patience ahead: something changed in what is trained on."""
        return replace(self, flat=0)
