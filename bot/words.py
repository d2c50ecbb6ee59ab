"""Numbers as people read them, each with its unit and how well it is known. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from storage.energy import EnergyTotal


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of energy for people: its size, and from where on it is used."""

    name: str
    size_j: float
    from_j: float


UNITS = (Unit("kWh", 3.6e6, 0.1 * 3.6e6), Unit("Wh", 3600.0, 3600.0), Unit("J", 1.0, 0.0))


def unit_for(joules: Iterable[float]) -> Unit:
    """The unit that suits the largest of some energies: what stands side by side shares one."""
    largest = max(map(abs, joules), default=0.0)
    return next(unit for unit in UNITS if largest >= unit.from_j)


def energy(joules: float, u_j: float, unit: Unit | None = None) -> str:
    """Joules in the unit that suits their size, with their 95 % interval: `1.21 kWh ±0.07`."""
    unit = unit or unit_for([joules])
    value, u = with_u(joules / unit.size_j, u_j / unit.size_j)
    return f"{value} {unit.name} ±{u}"


def part_of(
    total: EnergyTotal, joules: float, unit: Unit | None = None, u_j: float | None = None
) -> str:
    """Joules out of a total, as well known as it unless `u_j` says better; ≈ where it is a guess."""
    u_j = total.u_of(joules) if u_j is None else u_j
    return f"{sign(total)}{energy(joules, u_j, unit)}"


def sign(total: EnergyTotal) -> str:
    """`≈ ` where less than half was measured."""
    return "≈ " if total.energy_j > 0 and total.measured_share < 0.5 else ""


def with_u(value: float, u: float) -> tuple[str, str]:
    """A number to the digit that its uncertainty of two digits allows."""
    if u <= 0:
        return number(value), "0"
    places = max(0, 1 - math.floor(math.log10(u)))
    return f"{value:.{places}f}", f"{u:.{places}f}"


def devices(joules: float) -> str:
    """What voters' devices drew: never measured."""
    return f"≈ {energy(joules, DEVICE_U * joules)} (estimated)"


DEVICE_U = 0.5
"""Relative uncertainty (95 %) of a constant, such as the watts of somebody's device."""


def carbon(grams: float, u_g: float) -> str:
    """Grams of CO2e with their 95 % interval: `0.55 kg CO2e ±0.03`."""
    size, name = (1000.0, "kg") if abs(grams) >= 100 else (1.0, "g")
    value, u = with_u(grams / size, u_g / size)
    return f"{value} {name} CO2e ±{u}"


def energy_total(total: EnergyTotal, unit: Unit | None = None) -> str:
    """A total with its uncertainty and how much of it was measured."""
    if total.is_unknown:
        return f"not known ({duration(total.unknown_s)} without a reading)"
    text = f"{sign(total)}{energy(total.energy_j, total.u_j, unit)} ({known(total)})"
    if total.unknown_s >= 1:
        text += f", {duration(total.unknown_s)} not known"
    return text


def known(total: EnergyTotal) -> str:
    """How a total is known: `measured`, `estimated`, `92% measured`."""
    if total.energy_j <= 0:
        labels = total.by_provenance
        if not labels:
            return "nothing booked"
        return "measured" if all(label.startswith("M-") for label in labels) else "estimated"
    return how_known(total.measured_share)


def how_known(measured_share: float) -> str:
    """The same of a share of joules that was measured."""
    if measured_share >= 0.995:
        return "measured"
    return "estimated" if measured_share < 0.005 else f"{measured_share:.0%} measured"


def number(value: float, digits: int = 3) -> str:
    """About three digits, no exponent."""
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text and abs(value) >= 10 else text


def count(n: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{n:,}".replace(",", "\u202f")


def plural(n: int, one: str, many: str | None = None) -> str:
    """`1 vote`, `3 votes`."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str]) -> str:
    """`Ana`, `Ana and Ben`, `Ana, Ben and Cy`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def duration(seconds: float) -> str:
    """`8 s`, `3 min 10 s`, `2 h 5 min`."""
    whole = timedelta(seconds=round(seconds)).total_seconds()
    hours, rest = divmod(int(whole), 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {secs} s" if secs else f"{minutes} min"
    return f"{secs} s"


def stands(state: str, why: str) -> str:
    """`stopped by Ana`, or `failed: the disk is full`: a state and its reason, nothing twice."""
    return why if why.startswith(f"{state} ") else f"{state}: {why}"
