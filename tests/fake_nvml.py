"""An NVIDIA driver made of Python, under the real binding, on a clock that is turned by hand."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import pynvml
import pytest

SUCCESS, NOT_SUPPORTED, NOT_FOUND, DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND = 0, 3, 6, 9, 12
GPU_IS_LOST, UNKNOWN = 15, 999


class Clock:
    """Seconds since boot."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Turn the clock."""
        self.at += seconds


@dataclass
class Board:
    """One board: a constant power, and a counter that runs since the driver was loaded."""

    uuid: str
    name: str = "NVIDIA H100 80GB HBM3"
    power_w: float = 100.0
    start_mj: int = 5_000_000
    has_counter: bool = True
    fails_with: int = SUCCESS
    loaded_at: float = 1000.0


@dataclass
class FakeNvml:
    """The functions of `libnvidia-ml.so` that the meter calls; `x._obj` is what byref(x) points at.

    What is missing here is missing in the driver: the binding raises FunctionNotFound.
    """

    clock: Clock
    boards: list[Board] = field(default_factory=list)
    init: int = SUCCESS

    def nvmlInitWithFlags(self, flags: int) -> int:  # noqa: N802 -- NVML's names
        return self.init

    def nvmlErrorString(self, code: Any) -> bytes:  # noqa: N802
        return {GPU_IS_LOST: b"GPU is lost", UNKNOWN: b"Unknown Error"}.get(
            getattr(code, "value", code), b"an error"
        )

    def nvmlDeviceGetCount_v2(self, out: Any) -> int:  # noqa: N802
        out._obj.value = len(self.boards)
        return SUCCESS

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, out: Any) -> int:  # noqa: N802
        number = index.value
        return self._hand_out(number, out) if number < len(self.boards) else NOT_FOUND

    def nvmlDeviceGetHandleByUUID(self, uuid: Any, out: Any) -> int:  # noqa: N802
        wanted = uuid.value.decode()
        for number, board in enumerate(self.boards):
            if board.uuid == wanted:
                return self._hand_out(number, out)
        return NOT_FOUND

    def nvmlDeviceGetUUID(self, handle: Any, out: Any, size: Any) -> int:  # noqa: N802
        out.value = self._board(handle).uuid.encode()
        return SUCCESS

    def nvmlDeviceGetName(self, handle: Any, out: Any, size: Any) -> int:  # noqa: N802
        out.value = self._board(handle).name.encode()
        return SUCCESS

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, out: Any) -> int:  # noqa: N802
        board = self._board(handle)
        if not board.has_counter:
            return NOT_SUPPORTED
        if board.fails_with:
            return board.fails_with
        out._obj.value = board.start_mj + round(
            board.power_w * (self.clock() - board.loaded_at) * 1000
        )
        return SUCCESS

    def reload_driver(self) -> None:
        """All counters begin at zero again."""
        for board in self.boards:
            board.start_mj, board.loaded_at = 0, self.clock()

    def _hand_out(self, number: int, out: Any) -> int:
        ctypes.cast(out, ctypes.POINTER(ctypes.c_void_p))[0] = number + 1
        return SUCCESS

    def _board(self, handle: Any) -> Board:
        return self.boards[ctypes.cast(handle, ctypes.c_void_p).value - 1]


def install(fake: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    """Put the fake where the binding keeps the library it loaded."""
    monkeypatch.setattr(pynvml, "nvmlLib", fake)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    return fake
