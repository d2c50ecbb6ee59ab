"""Watches training processes: one that gives no sign for too long is told of, then started again.

What is too long comes from the process itself: many times the longest it was ever silent before.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psutil

from bot import alerts, outgoing, words
from bot.house import House
from storage.models import Arm, Run, Segment
from trainer.launch import Child

log = logging.getLogger(__name__)

LEAST_S = 300.0
"""So long a process may always be silent: it may load a model from a slow disk."""
TIMES_ITS_PACE = 10.0
THEN, AT_WORK_THEN = 3.0, 12.0
"""So many times as long as until it is told of, and it is started again; of one that computes longer."""
GRACE_S = 30.0
AT_WORK = 0.01
"""Of one core, since the last look: what computes so much may only be slow."""


@dataclass(slots=True)
class _Watched:
    run: Run
    arm: Arm
    segment: Segment
    child: Child
    last_s: float
    looked_s: float
    cpu_s: float = 0.0  # when it was looked at
    longest_s: float = 0.0
    is_ended: bool = False

    def sign(self, now_s: float) -> None:
        self.longest_s = max(self.longest_s, now_s - self.last_s)
        self.last_s = now_s


class Watchdog:
    """Knows every process at work.

    Args:
        house: the bot's parts.
        least_s: s of silence that are never too long.
        clock: monotonic s.
        cpu_s_of: s that a process has computed for so far.
        grace_s: s that a process has to end by itself.
    """

    def __init__(
        self,
        house: House,
        least_s: float = LEAST_S,
        clock: Callable[[], float] = time.monotonic,
        cpu_s_of: Callable[[Child], float] | None = None,
        grace_s: float = GRACE_S,
    ) -> None:
        self._house, self._least_s, self._clock = house, least_s, clock
        self._grace_s = grace_s
        self._cpu_s_of = cpu_s_of or _cpu_s_of
        self._watched: dict[str, _Watched] = {}  # by segment
        self._hung: dict[str, str] = {}  # segment -> why we ended its process

    @contextmanager
    def watching(self, run: Run, arm: Arm, segment: Segment, child: Child) -> Iterator[None]:
        """Watch a process while it works."""
        now_s = self._clock()
        self._watched[segment.segment_id] = _Watched(run, arm, segment, child, now_s, now_s)
        try:
            yield
        finally:
            self._watched.pop(segment.segment_id, None)

    def heard(self, segment_id: str) -> None:
        """A process gave a sign; may be called from any thread."""
        one = self._watched.get(segment_id)
        if one is not None:
            one.sign(self._clock())

    def why(self, segment_id: str) -> str:
        """Why we ended a segment's process; "" where we did not."""
        return self._hung.get(segment_id, "")

    async def look(self) -> None:
        """Tell of who is silent for too long, and end who stays so: its segment is then repeated."""
        for one in list(self._watched.values()):
            is_at_work = self._is_at_work(one)
            if is_at_work and not one.child.is_heard:
                one.last_s = one.looked_s  # nobody hears its marks: that it computes is its sign
            silent_s = self._clock() - one.last_s
            too_long_s = max(self._least_s, TIMES_ITS_PACE * one.longest_s)
            ends_s = too_long_s * (AT_WORK_THEN if is_at_work else THEN)
            if silent_s >= ends_s and not one.is_ended:
                await self._end(one, silent_s)
            elif silent_s >= too_long_s and one.child.is_alive:
                await self._tell(one, silent_s, ends_s - silent_s)

    def _is_at_work(self, one: _Watched) -> bool:
        """Whether it has computed since it was last looked at."""
        cpu_s, now_s = self._cpu_s_of(one.child), self._clock()
        grown_s, elapsed_s = cpu_s - one.cpu_s, now_s - one.looked_s
        one.cpu_s, one.looked_s = cpu_s, now_s
        return grown_s > AT_WORK * elapsed_s

    async def _tell(self, one: _Watched, silent_s: float, left_s: float) -> None:
        house = self._house
        until = (house.now() + timedelta(seconds=left_s)).astimezone(house.settings.zone)
        said = (
            f"The training process of {one.arm.name} has given no sign for "
            f"{words.duration(silent_s)}, though it still runs. If it stays silent until "
            f"{until:%H:%M %Z}, it is started again from its last checkpoint."
        )
        key = f"silent:{one.segment.segment_id}"
        await house.office.queue(*outgoing.in_thread(house.channels, one.run.run_id, key, said))

    async def _end(self, one: _Watched, silent_s: float) -> None:
        one.is_ended = True
        segment_id = one.segment.segment_id
        self._hung[segment_id] = (
            f"the training process gave no sign for {words.duration(silent_s)} and was ended"
        )
        said = (
            f"In run {one.run.run_id} {self._hung[segment_id]}; it is started again from its last "
            "checkpoint."
        )
        await alerts.tell(self._house, f"heartbeat:{segment_id}", said)
        await one.child.end(self._grace_s)


def _cpu_s_of(child: Child) -> float:
    try:
        times = psutil.Process(child.handle.pid).cpu_times()
    except psutil.Error:  # it ended; whoever waits for it knows
        return 0.0
    return float(times.user + times.system)
