"""What a child tells its parent while it works."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from trainer.marks import MARK, EndMark, Mark, Marks, PhaseMark, ProgressMark, SelectionMark
from trainer.segment import SelectionReport


class Line:
    """A line that may be cut."""

    def __init__(self) -> None:
        self.heard: list[Mark] = []
        self.is_cut = False
        self.tries = 0

    def send(self, data: bytes) -> None:
        self.tries += 1
        if self.is_cut:
            raise BrokenPipeError
        self.heard.append(MARK.validate_json(data))


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.mark.parametrize(
    "mark",
    [
        PhaseMark(phase="train", cpu_s=1.5),
        ProgressMark(what="training", done=3, total=9, metric=0.5),
        SelectionMark(segment=1, report=SelectionReport(pool=2, kept=1, dropped=1, reweighted=0)),
        EndMark(cpu_s=2.5),
    ],
    ids=lambda mark: mark.kind,
)
def test_a_mark_survives_the_line(mark):
    assert MARK.validate_json(mark.model_dump_json()) == mark


@pytest.mark.parametrize("data", [b"{}", b'{"kind": "other"}', b"\xff", b'{"kind": "end"}'])
def test_what_is_no_mark_is_refused(data):
    with pytest.raises(ValidationError):
        MARK.validate_json(data)


def test_phases_are_told_once_each_and_in_order(line):
    marks = Marks(line.send)
    for phase in ("load", "score", "score", "train", "evaluate", "train"):
        marks.enter(phase)
    marks.end()

    assert [m.phase for m in line.heard[:-1]] == ["score", "train", "evaluate", "train"]
    assert line.heard[-1].kind == "end"
    cpu = [m.cpu_s for m in line.heard]
    assert cpu == sorted(cpu)


def test_costs_are_booked_on_the_phase_they_came_up_in():
    marks = Marks()
    marks.enter("train")
    # the CPU time is all threads', so those that other tests left may let it outrun the wall's
    busy_until, until = time.process_time() + 0.05, time.monotonic() + 0.05
    while time.process_time() < busy_until or time.monotonic() < until:
        pass
    marks.enter("checkpoint")
    time.sleep(0.05)
    costs = {c.phase: c for c in marks.costs()}

    assert costs["train"].cpu_s >= 0.05
    assert costs["train"].wall_s >= 0.05
    assert costs["checkpoint"].wall_s >= 0.05
    assert costs["checkpoint"].cpu_s < costs["train"].cpu_s
    assert costs["load"].cpu_s > 0  # what the interpreter needed before


def test_asking_for_the_costs_twice_counts_nothing_twice():
    marks = Marks()
    marks.enter("train")
    first = {c.phase: c.wall_s for c in marks.costs()}
    second = {c.phase: c.wall_s for c in marks.costs()}

    assert second["load"] == first["load"]
    assert second["train"] >= first["train"]


def test_progress_is_told_now_and_then_but_its_end_and_metrics_always(line):
    marks = Marks(line.send)
    for done in range(1, 1001):
        marks.progress("training", done, 1000, 0.5 if done == 500 else None)

    told = [m.done for m in line.heard]
    assert 500 in told
    assert told[-1] == 1000
    assert len(told) < 100


def test_a_parent_that_is_gone_is_no_reason_to_stop(line):
    marks = Marks(line.send)
    marks.enter("score")
    line.is_cut = True
    for phase in ("train", "evaluate", "train"):
        marks.enter(phase)
    marks.end()

    assert [m.phase for m in line.heard] == ["score"]
    assert line.tries == 2  # once it failed, nothing more is sent
    assert {c.phase for c in marks.costs()} == {"load", "score", "train", "evaluate"}


def test_without_a_parent_nothing_is_sent():
    marks = Marks()
    marks.enter("train")
    marks.progress("training", 1, 2)
    marks.end()

    assert marks.phase == "train"
