"""Whether what a counter moved can be true: wraps, resets and leaps told apart. Pure."""

from __future__ import annotations

from dataclasses import dataclass

HEADROOM = 1.5
"""How far a device may go beyond its power limit for a moment."""
TICK_S = 0.2
"""Counters tick about every 100 ms: one reading may bring joules of a moment before."""
STILL_S = 10.0
"""No device that is on draws nothing for this long."""

SILENT = "the source did not answer"
RESET = "the counter was reset"
LEAP = "the counter leapt further than the device can draw"
ROUND = "the counter may have gone round unseen"
STILL = f"the counter has not moved for {STILL_S:g} s, and no device draws nothing"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a device can do.

    Attributes:
        limit_w: its power limit.
        range_j: where its counter begins again at 0; None = never.
    """

    limit_w: float
    range_j: float | None = None

    def most_j(self, seconds: float) -> float:
        """The most joules it can draw in a stretch of time."""
        return HEADROOM * self.limit_w * (max(seconds, 0.0) + TICK_S)


@dataclass(frozen=True, slots=True)
class Moved:
    """Joules between two readings of a counter; None, with the reason, where they are not known."""

    energy_j: float | None
    note: str = ""


def moved(before_j: float, after_j: float, seconds: float, bounds: Bounds | None = None) -> Moved:
    """What a counter moved in `seconds`; never negative, never more than its device can draw.

    Args:
        before_j: the earlier reading.
        after_j: the later reading.
        seconds: between them, by a clock that runs on while the machine sleeps.
        bounds: of the device; None = no device, an estimate that any pace is possible for.
    """
    delta_j = after_j - before_j
    if bounds is None:
        return Moved(delta_j) if delta_j >= 0 else Moved(None, RESET)
    most_j = bounds.most_j(seconds)
    if bounds.range_j is not None:
        if most_j >= bounds.range_j:
            return Moved(None, ROUND)
        if delta_j < 0:  # a wrap, if that makes sense: a reset would bring a whole range of joules
            delta_j += bounds.range_j
            return Moved(delta_j) if 0 <= delta_j <= most_j else Moved(None, RESET)
    if delta_j < 0:
        return Moved(None, RESET)
    return Moved(delta_j) if delta_j <= most_j else Moved(None, LEAP)
