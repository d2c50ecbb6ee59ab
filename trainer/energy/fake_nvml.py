"""An NVIDIA driver made of Python, under the real binding: for tests and benchmarks without a board.

Only the library object that `pynvml` loaded is replaced, so every call goes through the binding as
it stands: its ctypes arguments, its error classes, its struct layouts.
"""
# ruff: noqa: D102, N802 -- NVML's own functions, documented there

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pynvml

SUCCESS, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND, TOO_SMALL = 0, 3, 4, 6, 7
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, UNKNOWN = 9, 12, 15, 999
WORDS = {
    GPU_IS_LOST: b"GPU is lost",
    UNKNOWN: b"Unknown Error",
    NO_PERMISSION: b"Insufficient Permissions",
}


class Clock:
    """Seconds since boot, turned by hand."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Turn the clock."""
        self.at += seconds


@dataclass(frozen=True, slots=True)
class SquareWave:
    """Power that is high for half a period, then low: a training step and what lies between.

    Attributes:
        low_w: W in the second half.
        high_w: W in the first half.
        period_s: s.
    """

    low_w: float
    high_w: float
    period_s: float

    def watts(self, at_s: float) -> float:
        """W at a moment."""
        return self.high_w if at_s % self.period_s < self.period_s / 2 else self.low_w

    def joules(self, until_s: float) -> float:
        """J from 0 to a moment, without error."""
        periods, rest_s = divmod(until_s, self.period_s)
        half_s = self.period_s / 2
        whole = periods * half_s * (self.high_w + self.low_w)
        return whole + self.high_w * min(rest_s, half_s) + self.low_w * max(rest_s - half_s, 0.0)


def steady(watts: float) -> SquareWave:
    """The same power all the time."""
    return SquareWave(watts, watts, 1.0)


@dataclass
class Board:
    """One board: its power over time, and a counter that runs since the driver was loaded.

    Attributes:
        uuid: its id.
        name: its name.
        power: over the seconds of the driver's clock.
        start_mj: what the counter said when the driver was loaded.
        tick_s: how often the counter moves; 0 = all the time.
        limit_w: its power limit in force; None = it does not tell.
        limits_w: between which limits it can be set; None = it does not tell.
        may_set_limit: whether we have the rights to.
        has_counter: whether it has an energy counter.
        has_power: whether it tells its power.
        has_instant_power: whether it tells it as a field, too.
        is_sliced: MIG on or off; None = it does not know of MIG.
        tenants: processes that compute on it, with their processor time in percent.
        fails_with: what it answers instead.
        loaded_at: when the driver was loaded.
    """

    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    power: SquareWave = field(default_factory=lambda: steady(100.0))
    start_mj: int = 5_000_000
    tick_s: float = 0.0
    limit_w: float | None = 700.0
    limits_w: tuple[float, float] | None = (200.0, 700.0)
    may_set_limit: bool = True
    has_counter: bool = True
    has_power: bool = True
    has_instant_power: bool = True
    is_sliced: bool | None = False
    tenants: Mapping[int, int] = field(default_factory=dict)
    fails_with: int = SUCCESS
    loaded_at: float = 1000.0

    def counter_mj(self, at_s: float) -> int:
        """What the counter says."""
        if self.tick_s:
            ticks = math.floor((at_s - self.loaded_at) / self.tick_s + 1e-9)
            at_s = self.loaded_at + ticks * self.tick_s
        drawn = self.power.joules(at_s) - self.power.joules(self.loaded_at)
        return self.start_mj + round(drawn * 1000)


class FakeNvml:
    """The functions of `libnvidia-ml.so` that the meter calls; `x._obj` is what byref(x) points at.

    What is missing here is missing in the driver: the binding raises FunctionNotFound.
    """

    def __init__(self, clock: Callable[[], float], boards: Sequence[Board] = ()) -> None:
        self.clock, self.boards, self.init = clock, list(boards), SUCCESS

    def nvmlInitWithFlags(self, flags: int) -> int:
        return self.init

    def nvmlErrorString(self, code: Any) -> bytes:
        return WORDS.get(getattr(code, "value", code), b"an error")

    def nvmlDeviceGetCount_v2(self, out: Any) -> int:
        out._obj.value = len(self.boards)
        return SUCCESS

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, out: Any) -> int:
        number = index.value
        return self._hand_out(number, out) if number < len(self.boards) else NOT_FOUND

    def nvmlDeviceGetHandleByUUID(self, uuid: Any, out: Any) -> int:
        wanted = uuid.value.decode()
        for number, board in enumerate(self.boards):
            if board.uuid == wanted:
                return self._hand_out(number, out)
        return NOT_FOUND

    def nvmlDeviceGetUUID(self, handle: Any, out: Any, size: Any) -> int:
        out.value = self._board(handle).uuid.encode()
        return SUCCESS

    def nvmlDeviceGetName(self, handle: Any, out: Any, size: Any) -> int:
        out.value = self._board(handle).name.encode()
        return SUCCESS

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, out: Any) -> int:
        board = self._board(handle)
        return self._tell(board, out, board.has_counter, lambda: board.counter_mj(self.clock()))

    def nvmlDeviceGetPowerUsage(self, handle: Any, out: Any) -> int:
        board = self._board(handle)
        return self._tell(board, out, board.has_power, lambda: self._power_mw(board))

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any, out: Any) -> int:
        board = self._board(handle)
        limit_w = board.limit_w or 0.0
        return self._tell(board, out, board.limit_w is not None, lambda: round(limit_w * 1000))

    def nvmlDeviceGetPowerManagementLimit(self, handle: Any, out: Any) -> int:
        return self.nvmlDeviceGetEnforcedPowerLimit(handle, out)

    def nvmlDeviceGetPowerManagementLimitConstraints(self, handle: Any, low: Any, high: Any) -> int:
        board = self._board(handle)
        if board.limits_w is None:
            return NOT_SUPPORTED
        low._obj.value, high._obj.value = (round(1000 * w) for w in board.limits_w)
        return board.fails_with

    def nvmlDeviceSetPowerManagementLimit(self, handle: Any, limit: Any) -> int:
        board = self._board(handle)
        if not board.may_set_limit:
            return NO_PERMISSION
        board.limit_w = getattr(limit, "value", limit) / 1000
        return board.fails_with

    def nvmlDeviceGetFieldValues(self, handle: Any, count: Any, out: Any) -> int:
        board = self._board(handle)
        for value in out._obj:
            is_told = value.fieldId == pynvml.NVML_FI_DEV_POWER_INSTANT and board.has_instant_power
            value.nvmlReturn = SUCCESS if is_told and board.has_power else NOT_SUPPORTED
            value.value.uiVal = self._power_mw(board)
        return board.fails_with

    def nvmlDeviceGetMigMode(self, handle: Any, current: Any, pending: Any) -> int:
        board = self._board(handle)
        return self._tell(
            board, current, board.is_sliced is not None, lambda: int(bool(board.is_sliced))
        )

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, out: Any) -> int:
        tenants = self._board(handle).tenants
        if out is None:
            count._obj.value = len(tenants)
            return TOO_SMALL if tenants else SUCCESS
        for row, pid in zip(out, tenants, strict=False):
            row.pid = pid
        count._obj.value = len(tenants)
        return SUCCESS

    def nvmlDeviceGetProcessUtilization(self, handle: Any, out: Any, count: Any, since: Any) -> int:
        busy = [(pid, percent) for pid, percent in self._board(handle).tenants.items() if percent]
        if out is None:
            count._obj.value = len(busy)
            return TOO_SMALL if busy else NOT_FOUND
        for row, (pid, percent) in zip(out, busy, strict=True):
            row.pid, row.smUtil = pid, percent
        return SUCCESS

    def reload_driver(self) -> None:
        """All counters begin at zero again."""
        for board in self.boards:
            board.start_mj, board.loaded_at = 0, self.clock()

    def _power_mw(self, board: Board) -> int:
        return round(board.power.watts(self.clock()) * 1000)

    def _tell(self, board: Board, out: Any, has: bool, value: Callable[[], int]) -> int:
        if board.fails_with or not has:
            return board.fails_with or NOT_SUPPORTED
        out._obj.value = value()
        return SUCCESS

    def _hand_out(self, number: int, out: Any) -> int:
        ctypes.cast(out, ctypes.POINTER(ctypes.c_void_p))[0] = number + 1
        return SUCCESS

    def _board(self, handle: Any) -> Board:
        return self.boards[(ctypes.cast(handle, ctypes.c_void_p).value or 0) - 1]


@contextmanager
def installed(fake: FakeNvml) -> Iterator[FakeNvml]:
    """Put the fake where the binding keeps the library it loaded, for a while."""
    library, cache = pynvml.nvmlLib, dict(pynvml._nvmlGetFunctionPointer_cache)
    pynvml.nvmlLib = fake
    pynvml._nvmlGetFunctionPointer_cache.clear()
    try:
        yield fake
    finally:
        pynvml.nvmlLib = library
        pynvml._nvmlGetFunctionPointer_cache.clear()
        pynvml._nvmlGetFunctionPointer_cache.update(cache)
