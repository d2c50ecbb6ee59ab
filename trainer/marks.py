"""What a child tells its parent while it works: phase changes and progress, one JSON line each.

The parent cuts its energy counters when a phase mark arrives, so marks are sent at phase changes,
never per step. A parent that died is no reason to stop: the marks are then kept in the report.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from trainer.segment import PhaseCost, SelectionReport


class _Mark(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PhaseMark(_Mark):
    """A phase begins now."""

    kind: Literal["phase"] = "phase"
    phase: str
    cpu_s: float  # of this process so far, all threads


class ProgressMark(_Mark):
    """How far the current work is."""

    kind: Literal["progress"] = "progress"
    what: str  # "training", "reading the pool", ...
    done: int
    total: int
    metric: float | None = None  # at an evaluation


class SelectionMark(_Mark):
    """What the votes did to the pool, as soon as it is decided."""

    kind: Literal["selection"] = "selection"
    segment: int
    report: SelectionReport


class EndMark(_Mark):
    """The report is written; the process ends now."""

    kind: Literal["end"] = "end"
    cpu_s: float


Mark = Annotated[PhaseMark | ProgressMark | SelectionMark | EndMark, Field(discriminator="kind")]
MARK: TypeAdapter[Mark] = TypeAdapter(Mark)
"""Reads a mark back from its JSON line."""

PROGRESS_EVERY_S = 0.25


class Marks:
    """The child's clock of phases and its line to the parent.

    Args:
        send: hands one mark to the parent; may raise OSError once the parent is gone.
    """

    def __init__(self, send: Callable[[bytes], None] | None = None) -> None:
        self._send = send
        self._wall: dict[str, float] = defaultdict(float)
        self._cpu: dict[str, float] = defaultdict(float)
        self._phase = "load"
        self._since = (time.monotonic(), 0.0)  # the interpreter's own start counts as loading
        self._last_progress = 0.0

    @property
    def phase(self) -> str:
        """The phase the child is in."""
        return self._phase

    def enter(self, phase: str) -> None:
        """Begin `phase` now; what went before is booked on the phase that ends."""
        if phase == self._phase:
            return
        self._book()
        self._phase = phase
        self._tell(PhaseMark(phase=phase, cpu_s=time.process_time()))

    def progress(self, what: str, done: int, total: int, metric: float | None = None) -> None:
        """Say how far the work is; at most a few times a second unless there is a metric."""
        now = time.monotonic()
        if metric is None and done < total and now - self._last_progress < PROGRESS_EVERY_S:
            return
        self._last_progress = now
        self._tell(ProgressMark(what=what, done=done, total=total, metric=metric))

    def selected(self, segment: int, report: SelectionReport) -> None:
        """Say what the votes did."""
        self._tell(SelectionMark(segment=segment, report=report))

    def end(self) -> None:
        """Say that the report is written."""
        self._tell(EndMark(cpu_s=time.process_time()))

    def costs(self) -> tuple[PhaseCost, ...]:
        """Wall and CPU seconds of every phase so far."""
        self._book()
        return tuple(
            PhaseCost(phase=phase, wall_s=wall, cpu_s=self._cpu[phase])
            for phase, wall in self._wall.items()
        )

    def cpu_s(self, *without: str) -> float:
        """CPU seconds so far, of all phases but these."""
        self._book()
        return sum(cpu for phase, cpu in self._cpu.items() if phase not in without)

    def _book(self) -> None:
        wall, cpu = time.monotonic(), time.process_time()
        self._wall[self._phase] += wall - self._since[0]
        self._cpu[self._phase] += cpu - self._since[1]
        self._since = (wall, cpu)

    def _tell(self, mark: BaseModel) -> None:
        if self._send is None:
            return
        try:
            self._send(mark.model_dump_json().encode())
        except OSError:  # the parent is gone; its successor reads the report
            self._send = None
