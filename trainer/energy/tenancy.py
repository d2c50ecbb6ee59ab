"""Whose a board is: MIG slices and boards that others compute on are never one run's measurement.

NVML counts the joules of a whole board. Where others are on it, our share is modelled by the time
its processors worked for each process, and labelled as a share; a sliced board (MIG) does not even
tell that, so its joules are nobody's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
import pynvml

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
MIG = "sliced board (MIG): the total of all slices, not one run's"
SHARED = "shared board: our share by processor time, a model"
ELSEWHERE = "no training process of ours is on this board"


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a board's joules are ours, in [0, 1], and why not all."""

    ours: float = 1.0
    why: str = ""


class Tenancy:
    """Who computes on the boards of this host, looked up every few seconds.

    Args:
        ours: ids of our training processes.
        clock: seconds.
    """

    def __init__(self, ours: Callable[[], frozenset[int]], clock: Callable[[], float]) -> None:
        self._ours, self._clock = ours, clock
        self._handles: dict[str, Any] = {}
        self._shares: dict[str, Share] = {}
        self._looked_at: float | None = None

    def add(self, uuid: str, handle: Any) -> None:
        """Look after a board."""
        self._handles[uuid] = handle

    def share(self, uuid: str) -> Share:
        """Our share of a board at the moment."""
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= LOOK_AGAIN_S:
            self._looked_at, self._shares = now, self._look()
        return self._shares.get(uuid, Share())

    def _look(self) -> dict[str, Share]:
        ours = self._ours()
        there = {uuid: self._tenants(handle, ours) for uuid, handle in self._handles.items()}
        ours_seen = any(found[0] for found in there.values())
        return {
            uuid: Share(0.0, MIG)
            if is_sliced(self._handles[uuid])
            else self._share(self._handles[uuid], *found, is_elsewhere=ours_seen and not found[0])
            for uuid, found in there.items()
        }

    def _tenants(self, handle: Any, ours: frozenset[int]) -> tuple[set[int], set[int]]:
        """(our processes on a board, those of others)."""
        try:
            there = {p.pid for p in pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)}
        except pynvml.NVMLError as err:
            log.debug("tenants of a board are not told", extra={"reason": str(err)})
            return set(), set()
        mine, others = there & ours, there - ours
        unseen = {pid for pid in others if not psutil.pid_exists(pid)}
        if not mine and len(unseen) == 1 and ours:
            # in a container the driver tells ids of the host: the only one there is our own
            return unseen, others - unseen
        return mine, others

    def _share(self, handle: Any, mine: set[int], others: set[int], *, is_elsewhere: bool) -> Share:
        if not others:
            return Share(0.0, ELSEWHERE) if is_elsewhere else Share()
        if not mine:
            return Share(0.0, f"others compute on this board; {ELSEWHERE}")
        busy = _utilisation(handle)
        busy_ours = sum(busy.get(pid, 0) for pid in mine)
        busy_all = busy_ours + sum(busy.get(pid, 0) for pid in others)
        if busy_all:
            return Share(busy_ours / busy_all, SHARED)
        return Share(len(mine) / (len(mine) + len(others)), SHARED)


def _utilisation(handle: Any) -> dict[int, int]:
    """Process -> processor time on a board in the last moments; empty where it is not told."""
    busy: dict[int, int] = {}
    try:
        samples = pynvml.nvmlDeviceGetProcessUtilization(handle, 0)  # all that are kept
    except pynvml.NVMLError:
        return busy
    for sample in samples:
        busy[sample.pid] = busy.get(sample.pid, 0) + int(sample.smUtil)
    return busy


def is_sliced(handle: Any) -> bool:
    """Whether MIG is on."""
    try:
        current, _ = pynvml.nvmlDeviceGetMigMode(handle)
    except pynvml.NVMLError:  # boards without MIG do not know the question
        return False
    return bool(current == pynvml.NVML_DEVICE_MIG_ENABLE)
