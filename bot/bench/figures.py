"""What a benchmark reports: figures, each beside what was wanted of it. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_HOLDS: Mapping[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


class BenchError(Exception):
    """The benchmark could not be carried out; the text says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured, in words.
        value: the number; None where this run cannot measure it.
        unit: its unit.
        target: what is wanted, e.g. `<= 1.5`.
    """

    name: str
    value: float | None
    unit: str
    target: str

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None without a value."""
        if self.value is None:
            return None
        sign, _, bound = self.target.partition(" ")
        return _HOLDS[sign](self.value, float(bound))


@dataclass(frozen=True, slots=True)
class BenchReport:
    """All figures of one benchmark and the setting they were measured in."""

    setting: Mapping[str, Any]
    figures: tuple[Figure, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """`{"setting": ..., "figures": [{name, value, unit, target, holds}]}`."""
        return {
            "setting": dict(self.setting),
            "figures": [
                {
                    "name": figure.name,
                    "value": figure.value,
                    "unit": figure.unit,
                    "target": figure.target,
                    "holds": figure.holds,
                }
                for figure in self.figures
            ],
        }
