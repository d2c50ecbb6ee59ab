"""NVIDIA boards, read through NVML: their energy counter, or their power where there is none.

NVML makes no CUDA context, so its handles may stay open all day. Boards are known by their UUID:
NVML numbers them otherwise than CUDA does.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pynvml

from storage.models import Provenance
from trainer.energy.findings import Finding
from trainer.energy.plausible import Bounds
from trainer.energy.sources import DeviceSource, Owner, Part
from trainer.energy.tenancy import MIG, Share, Tenancy, is_sliced

log = logging.getLogger(__name__)

POLL_S = 0.0938
"""About ten times a second, but on no round beat: steps of 0.25 s sampled every 0.1 s are seen at the
same five moments again and again, and come out wrong by 14 %."""
GAP_S = 2.0
"""Between two samples of power further apart than this nothing is assumed."""
LIMIT_W = 1000.0
"""Taken as the power limit of a board that does not tell its own."""
NO_COUNTER = (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound)


class Board:
    """A board and how to ask it; after an error its handle is looked up anew."""

    def __init__(self, uuid: str) -> None:
        self.uuid, self.reason = uuid, ""
        self._handle: Any = pynvml.nvmlDeviceGetHandleByUUID(uuid)

    @property
    def handle(self) -> Any:
        """NVML's own."""
        if self._handle is None:
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(self.uuid)
        return self._handle

    def limit_w(self) -> float:
        """The highest power limit that may be set (the one in force may be lifted), else that."""
        for question in (_highest_limit_mw, pynvml.nvmlDeviceGetEnforcedPowerLimit):
            with contextlib.suppress(pynvml.NVMLError):
                return float(question(self.handle)) / 1000
        return LIMIT_W

    def ask(self, question: Callable[[Any], float]) -> float | None:
        """The answer, or None with the reason kept."""
        try:
            answer = question(self.handle)
        except pynvml.NVMLError as err:
            reason = f"NVML says: {err}"
            if reason != self.reason:
                log.warning("no reading", extra={"device": self.uuid, "reason": reason})
            self.reason, self._handle = reason, None
            return None
        self.reason = ""
        return answer


class NvmlCounterSource:
    """The energy counter of one NVIDIA board: joules since the driver was loaded."""

    provenance: Provenance = "M-ctr"
    owner: Owner = "slot"
    is_persistent = True
    poll_s: float | None = None
    name = "nvml-counter"

    def __init__(self, board: Board, share: Callable[[], Share] = Share) -> None:
        self._board, self._share = board, share
        self.device, self.bounds = board.uuid, Bounds(board.limit_w())

    @property
    def reason(self) -> str:
        """Why the last reading told nothing."""
        return self._board.reason

    def read(self) -> float | None:
        """The counter; None when the driver does not answer."""
        return self._board.ask(counter_j)

    def poll(self) -> None:
        """The counter runs by itself."""

    def parts(self, energy_j: float, seconds: float) -> tuple[Part, ...]:
        """Ours and the others'."""
        return _shared(energy_j, self._share(), self.provenance)


class NvmlPowerSource:
    """The power of one NVIDIA board, sampled and summed up by trapezoids."""

    provenance: Provenance = "M-pow"
    owner: Owner = "slot"
    is_persistent = False
    poll_s: float | None = POLL_S
    name = "nvml-power"

    def __init__(
        self, board: Board, clock: Callable[[], float], share: Callable[[], Share] = Share
    ) -> None:
        self._board, self._clock, self._share = board, clock, share
        self.device, self.bounds = board.uuid, Bounds(board.limit_w())
        self.reason = self._hole = ""
        self._sample: tuple[float, float] | None = None  # (seconds, W)
        self._energy_j = self._came_j = 0.0
        self.poll()
        self._hole = ""

    def poll(self) -> None:
        """Sample the power; a stretch that was not watched makes the slice unknown."""
        watts, now = self._board.ask(power_w), self._clock()
        before, self._sample = self._sample, None if watts is None else (now, watts)
        if watts is None:
            self._hole = self._board.reason
        elif before is None:
            self._hole = self._hole or "the power was not sampled all the time"
        elif now - before[0] > GAP_S:
            self._hole = f"the power was not sampled for {now - before[0]:.1f} s"
        else:
            self._came_j += (now - before[0]) * (before[1] + watts) / 2

    def read(self) -> float | None:
        """Joules up to the last sample; None, and nothing added, where the slice has a hole.

        A reading samples on its own only where nobody polls: on the beat of the cuts it would
        weigh the same moment of every step too much.
        """
        if self._sample is None or self._clock() - self._sample[0] >= POLL_S:
            self.poll()
        came_j, self._came_j = self._came_j, 0.0
        self.reason, self._hole = self._hole, ""
        if self.reason:
            return None
        self._energy_j += came_j
        return self._energy_j

    def parts(self, energy_j: float, seconds: float) -> tuple[Part, ...]:
        """Ours and the others'."""
        return _shared(energy_j, self._share(), self.provenance)


def _highest_limit_mw(handle: Any) -> int:
    _, highest = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
    return int(highest)


def counter_j(handle: Any) -> float:
    """Joules since the driver was loaded."""
    return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000


def power_w(handle: Any) -> float:
    """W at this moment; where the board only tells a mean of the last second, that."""
    try:
        (field,) = pynvml.nvmlDeviceGetFieldValues(handle, [pynvml.NVML_FI_DEV_POWER_INSTANT])
        if field.nvmlReturn == pynvml.NVML_SUCCESS:
            return float(field.value.uiVal) / 1000
    except NO_COUNTER:  # an old driver
        pass
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000


def _shared(energy_j: float, share: Share, provenance: Provenance) -> tuple[Part, ...]:
    if share.ours >= 1:
        return (Part(energy_j, "slot", provenance),)
    if share.ours <= 0:
        return (Part(energy_j, "nobody", provenance, note=share.why),)
    ours = energy_j * share.ours
    return (
        Part(ours, "slot", "A", note=share.why),
        Part(energy_j - ours, "nobody", "A", suffix="-others", note=share.why),
    )


def boards(
    ours: Callable[[], frozenset[int]], clock: Callable[[], float]
) -> tuple[list[DeviceSource], list[Finding]]:
    """A source for each board that can be metered, and what was found.

    Args:
        ours: ids of our training processes.
        clock: seconds.
    """
    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return [], [Finding("GPU", "none", "no NVIDIA driver")]
    except pynvml.NVMLError as err:
        remedy = "mend what nvidia-smi complains of, then start the bot again"
        return [], [Finding("GPU", "not metered", f"NVML says: {err}", remedy=remedy)]
    tenancy = Tenancy(ours, clock)
    found = [_board(index, tenancy, clock) for index in range(count)]
    return [source for source, _ in found if source is not None], [line for _, line in found]


def _board(
    index: int, tenancy: Tenancy, clock: Callable[[], float]
) -> tuple[DeviceSource | None, Finding]:
    title = f"GPU {index}"
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        title += f" {pynvml.nvmlDeviceGetName(handle)}"
        board = Board(pynvml.nvmlDeviceGetUUID(handle))
    except pynvml.NVMLError as err:
        return None, Finding(title, "not metered", f"NVML says: {err}")
    tenancy.add(board.uuid, handle)
    source, how = _source(board, lambda: tenancy.share(board.uuid), clock)
    if source is None:
        return None, Finding(title, "not metered", how)
    if is_sliced(handle):
        how = f"{how} of the whole board alone, which is on no run"
        return source, Finding(title, "not metered", how, source.provenance, note=MIG)
    return source, Finding(title, "measured", how, source.provenance)


def _source(
    board: Board, share: Callable[[], Share], clock: Callable[[], float]
) -> tuple[DeviceSource | None, str]:
    """The best source of a board, and how it measures; None with the reason."""
    try:
        counter_j(board.handle)
        return NvmlCounterSource(board, share), "energy counter"
    except NO_COUNTER:
        pass
    except pynvml.NVMLError as err:  # it may come back
        return NvmlCounterSource(board, share), f"energy counter, silent just now: {err}"
    if board.ask(power_w) is None:
        return None, f"neither energy counter nor power: {board.reason}"
    how = "power, polled every 100 ms (it has no energy counter)"
    return NvmlPowerSource(board, clock, share), how
