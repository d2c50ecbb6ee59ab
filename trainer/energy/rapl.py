"""The CPU's own counters (RAPL), read from sysfs: one per package.

Packages only: `psys` holds them already, and the zones below a package are part of it. The memory
is outside of it. What a package draws is the whole machine's, whoever computes on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from storage.models import Provenance
from trainer.energy.findings import Finding
from trainer.energy.plausible import Bounds
from trainer.energy.sources import DeviceSource, Owner, Part

log = logging.getLogger(__name__)

POWERCAP = Path("/sys/class/powercap")
LIMIT_W = 500.0
"""Taken as the limit of a package that does not tell one, or tells nonsense."""
MOST_W = 2000.0
SAME_J = 2.0
"""Counters of dies that are mirrors of each other are read within moments: they differ by less."""

RIGHTS = (
    "let the bot's user read it: sudo chmod a+r {files} (until the next boot; "
    "a udev or tmpfiles rule keeps it)"
)


class RaplSource:
    """The energy counter of one CPU package.

    Args:
        zone: its folder in sysfs.
        bot_share: the bot's own share of the machine's CPU time since it was last asked, in [0, 1].
    """

    provenance: Provenance = "M-rapl"
    owner: Owner = "slot"
    is_persistent = True
    poll_s: float | None = None
    name = "rapl"

    def __init__(self, zone: Path, bot_share: Callable[[], float] = lambda: 0.0) -> None:
        self._counter, self._bot_share = zone / "energy_uj", bot_share
        self.reason = ""
        package = _text(zone / "name").removeprefix("package-")
        self.device = f"cpu-package-{package}"
        self.bounds = Bounds(_limit_w(zone), _number(zone / "max_energy_range_uj") / 1e6)

    def read(self) -> float | None:
        """The counter, which begins again at 0 after `bounds.range_j`; None when it is not told."""
        try:
            joules = _number(self._counter) / 1e6
        except (OSError, ValueError) as err:
            reason = f"RAPL cannot be read: {err}"
            if reason != self.reason:
                log.warning("no reading", extra={"device": self.device, "reason": reason})
            self.reason = reason
            return None
        self.reason = ""
        return joules

    def poll(self) -> None:
        """The counter runs by itself."""

    def parts(self, energy_j: float, seconds: float) -> tuple[Part, ...]:
        """What the machine worked for, and the bot's own share; together the counter."""
        bot_j = energy_j * self._bot_share()
        if bot_j == 0:
            return (Part(energy_j, "slot", self.provenance),)
        return (
            Part(energy_j - bot_j, "slot", self.provenance),
            Part(bot_j, "bot", "A", suffix="-bot"),  # by its share of the machine's CPU time
        )


class BotShare:
    """The bot's share of the CPU time there was, over the time since it was last asked.

    Args:
        cpu_s: CPU seconds of the bot so far.
        clock: seconds.
        cores: of the machine.
    """

    def __init__(self, cpu_s: Callable[[], float], clock: Callable[[], float], cores: int) -> None:
        self._cpu_s, self._clock, self._cores = cpu_s, clock, cores
        self._before = (clock(), cpu_s())

    def __call__(self) -> float:
        """In [0, 1]."""
        now, cpu_s = self._clock(), self._cpu_s()
        was_at, was_cpu_s = self._before
        self._before = (now, cpu_s)
        there_was_s = (now - was_at) * self._cores
        return min(max((cpu_s - was_cpu_s) / there_was_s, 0.0), 1.0) if there_was_s > 0 else 0.0


def packages(
    bot_share: Callable[[], Callable[[], float]], powercap: Path = POWERCAP
) -> tuple[list[DeviceSource], Finding]:
    """A source for each CPU package, and what was found; no source means: estimate the CPU.

    Args:
        bot_share: makes a meter of the bot's share, one per package.
        powercap: where the kernel shows its counters.
    """
    zones = [z for z in sorted(powercap.glob("intel-rapl:*")) if z.name.count(":") == 1]
    zones = [z for z in zones if _name(z).startswith("package")]
    if not zones:
        return [], Finding("CPU counter", "none", "no RAPL here, as in most virtual machines")
    try:
        zones = _without_mirrors(zones)
        found: list[DeviceSource] = [RaplSource(zone, bot_share()) for zone in zones]
    except PermissionError:
        why = "RAPL is there, but its counter may be read by root only"
        files = " ".join(f"{zone}/energy_uj" for zone in zones)
        return [], Finding("CPU counter", "not metered", why, remedy=RIGHTS.format(files=files))
    except (OSError, ValueError) as err:
        return [], Finding("CPU counter", "not metered", f"RAPL cannot be read: {err}")
    many = f", {len(found)} packages" if len(found) > 1 else ""
    note = "the whole machine's; the bot's own share of it goes by its CPU time"
    return found, Finding("CPU", "measured", f"RAPL counter{many}", "M-rapl", note=note)


def _without_mirrors(zones: list[Path]) -> list[Path]:
    """Dies of one package may each show the counter of the whole (AMD): one of them counts."""
    kept: list[tuple[Path, str, float]] = []
    for zone in zones:
        package, joules = _name(zone).partition("-die-")[0], _number(zone / "energy_uj") / 1e6
        if not any(p == package and abs(j - joules) < SAME_J for _, p, j in kept):
            kept.append((zone, package, joules))
    return [zone for zone, _, _ in kept]


def _limit_w(zone: Path) -> float:
    limits = []
    for file in zone.glob("constraint_*_power_limit_uw"):
        try:
            limits.append(_number(file) / 1e6)
        except (OSError, ValueError):
            continue
    return max((w for w in limits if 0 < w <= MOST_W), default=LIMIT_W)


def _name(zone: Path) -> str:
    try:
        return _text(zone / "name")
    except OSError:
        return ""


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii").strip()


def _number(file: Path) -> float:
    return float(_text(file))
