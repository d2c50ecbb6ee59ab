"""From cells to what a study says: energy saved against labour spent, accuracy beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bot import words
from bot.bench.learning.cells import ASKED
from bot.bench.learning.summary import cost_to, final
from bot.study.plan import USUAL, Setting

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prices:
    """What turns seconds into joules: assumptions of this house, so every joule is an estimate.

    Attributes:
        watts_per_core: W of a CPU core under load.
        device_w: W of a voter's device.
    """

    watts_per_core: float
    device_w: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One cell, held against the control on the same pool. Energies are the machine's, estimated.

    Attributes:
        task: kind of dirt.
        setting: who voted; None where label names alone did.
        seed: of the pool.
        accuracy: of what was left, in [0, 1].
        control: the control's accuracy.
        energy_j: all of it: embedding, models of the votes and training, no loading, no evaluations.
        control_j: all of the control's.
        control_reached_j: what the control had spent when it first had the accuracy it ended with.
        reached_j: spent when the control's accuracy was reached first; None = never.
        saved_forwards: forwards fewer than the control needed for it, which no busy machine blurs,
            but models of the votes are not in them; None = never reached.
        is_unasked: it was reached before anybody was asked: no merit of votes.
        labour_s: people's seconds.
    """

    task: str
    setting: Setting | None
    seed: int
    accuracy: float
    control: float
    energy_j: float
    control_j: float
    control_reached_j: float
    reached_j: float | None
    saved_forwards: float | None
    is_unasked: bool
    labour_s: float

    @property
    def saved_j(self) -> float | None:
        """Energy less than the control needed for its accuracy; negative = more was needed.

        Not held against all the control spent: it goes on until it is sure that nothing gets
        better, and so do the others.
        """
        return None if self.reached_j is None else self.control_reached_j - self.reached_j


def outcomes(rows: Sequence[Row], prices: Prices) -> list[Outcome]:
    """Every cell but the controls, whose pool has a control."""
    controls = {(r["recipe"], r["seed"]): r for r in rows if r["arm"] == "control"}
    found = []
    for row in rows:
        control = controls.get((row["recipe"], row["seed"]))
        if control is None or row["arm"] == "control":
            continue
        reached_s = cost_to(row, final(control), "cpu_s")
        needed_s = cost_to(control, final(control), "cpu_s")
        needed = cost_to(control, final(control), "forwards")
        reached = cost_to(row, final(control), "forwards")
        assert needed_s is not None, control
        assert needed is not None, control
        watts = prices.watts_per_core
        found.append(Outcome(
            task=row["recipe"], setting=Setting.of(row), seed=row["seed"],
            accuracy=final(row), control=final(control),
            energy_j=watts * row["curve"][-1]["cpu_s"],
            control_j=watts * control["curve"][-1]["cpu_s"],
            control_reached_j=watts * needed_s,
            reached_j=None if reached_s is None else watts * reached_s,
            saved_forwards=None if reached is None else needed - reached,
            is_unasked=_is_unasked(row, final(control)),
            labour_s=row["people_s"],
        ))  # fmt: skip
    return found


def _is_unasked(row: Row, target: float) -> bool:
    """Whether `target` was reached before the first ballot of a cell that asks later."""
    samples = cost_to(row, target, "samples")
    first = ASKED[row["asked_when"]][0] * row["epochs"] * row["n"]
    return row["arm"] == "human" and samples is not None and samples < first


@dataclass(frozen=True, slots=True)
class Line:
    """A setting on a task: means over its seeds.

    Attributes:
        task: kind of dirt.
        setting: who voted; None where label names alone did.
        seeds: how many pools.
        reached: how many of them came to the control's accuracy.
        accuracy: %.
        points: of accuracy above the control.
        control_j: all of the control's energy.
        control_reached_j: what the control needed for its accuracy.
        energy_j: all that was spent.
        saved_j: mean over the pools that reached the control's accuracy; None where none did.
        saved_forwards: the same, in forwards of a sample.
        unasked: how many of them reached it before anybody was asked.
        labour_s: people's seconds, all together.
        devices_j: what their devices used meanwhile.
    """

    task: str
    setting: Setting | None
    seeds: int
    reached: int
    accuracy: float
    points: float
    control_j: float
    control_reached_j: float
    energy_j: float
    saved_j: float | None
    saved_forwards: float | None
    unasked: int
    labour_s: float
    devices_j: float

    @property
    def saved_with_devices_j(self) -> float | None:
        """What is saved once people's devices are paid for, in this one run."""
        return None if self.saved_j is None else self.saved_j - self.devices_j

    def as_json(self) -> dict[str, Any]:
        """One line of `study.jsonl`."""
        who = self.setting
        return {
            "kind": "simulated", "task": self.task,
            "raters": who and who.raters, "vote_accuracy": who and who.accuracy,
            "votes": who.votes if who else 0, "asked_when": who and who.asked_when,
            "seeds": self.seeds, "reached": self.reached, "accuracy_percent": self.accuracy,
            "points_over_control": self.points, "control_j_estimate": self.control_j,
            "control_reached_j_estimate": self.control_reached_j,
            "energy_j_estimate": self.energy_j, "saved_j_estimate": self.saved_j,
            "saved_forwards": self.saved_forwards, "reached_before_asking": self.unasked,
            "labour_s": self.labour_s, "devices_j_estimate": self.devices_j,
            "saved_with_devices_j_estimate": self.saved_with_devices_j,
        }  # fmt: skip


def lines(found: Iterable[Outcome], prices: Prices) -> list[Line]:
    """A line per task and setting, in order of appearance."""
    groups: dict[tuple[str, Setting | None], list[Outcome]] = {}
    for one in found:
        groups.setdefault((one.task, one.setting), []).append(one)
    return [_line(task, setting, group, prices) for (task, setting), group in groups.items()]


def _line(task: str, setting: Setting | None, group: Sequence[Outcome], prices: Prices) -> Line:
    saved = [one.saved_j for one in group if one.saved_j is not None]
    forwards = [one.saved_forwards for one in group if one.saved_forwards is not None]
    labour_s = mean(one.labour_s for one in group)
    return Line(
        task=task, setting=setting, seeds=len(group), reached=len(saved),
        accuracy=100 * mean(one.accuracy for one in group),
        points=100 * mean(one.accuracy - one.control for one in group),
        control_j=mean(one.control_j for one in group),
        control_reached_j=mean(one.control_reached_j for one in group),
        energy_j=mean(one.energy_j for one in group),
        saved_j=mean(saved) if saved else None,
        saved_forwards=mean(forwards) if forwards else None,
        unasked=sum(one.is_unasked for one in group),
        labour_s=labour_s, devices_j=prices.device_w * labour_s,
    )  # fmt: skip


# --- words --------------------------------------------------------------------------------------


def by_task(found: Sequence[Line]) -> list[tuple[str, ...]]:
    """A heading, and a row per task: the usual setting, and what is free."""
    rows: list[tuple[str, ...]] = [(
        "task", "control: accuracy %", "J to it", "J in all", "label names alone: accuracy %",
        "saved J", "J in all", "with votes: accuracy %", "saved J", "J in all", "labour s",
        "saved J, voters' devices paid",
    )]  # fmt: skip
    for usual, free in _pairs(found):
        names = (
            (f"{free.accuracy:.1f}", _saved(free), f"{free.energy_j:.0f}") if free else ("-",) * 3
        )
        rows.append((
            usual.task, f"{usual.accuracy - usual.points:.1f}", f"{usual.control_reached_j:.0f}",
            f"{usual.control_j:.0f}", *names, f"{usual.accuracy:.1f}", _saved(usual),
            f"{usual.energy_j:.0f}", f"{usual.labour_s:.0f}", _signed(usual.saved_with_devices_j),
        ))  # fmt: skip
    return rows


def _pairs(found: Sequence[Line]) -> list[tuple[Line, Line | None]]:
    """Task by task: the usual setting, and label names alone."""
    free = {line.task: line for line in found if line.setting is None}
    return [(line, free.get(line.task)) for line in found if line.setting == USUAL]


def by_setting(found: Sequence[Line]) -> list[tuple[str, ...]]:
    """A heading, and a row per task and setting."""
    rows: list[tuple[str, ...]] = [(
        "task", "people", "right", "votes", "asked", "seeds", "labour s", "s each",
        "accuracy %", "over control", "J", "saved J", "saved forwards",
        "saved J, voters' devices paid",
    )]  # fmt: skip
    for line in found:
        who = line.setting
        said = (
            (str(who.raters), f"{who.accuracy:.2g}", str(who.votes), who.asked_when)
            if who
            else ("0", "-", "0", "never")
        )
        each = line.labour_s / who.raters if who else 0.0
        rows.append((
            line.task, *said, str(line.seeds), f"{line.labour_s:.0f}", f"{each:.0f}",
            f"{line.accuracy:.1f}", f"{line.points:+.1f}", f"{line.energy_j:.0f}", _saved(line),
            _signed(line.saved_forwards), _signed(line.saved_with_devices_j),
        ))  # fmt: skip
    return rows


def verdicts(found: Sequence[Line]) -> list[str]:
    """Plain sentences on each task, by its usual setting; votes are held to the best without."""
    return [_verdict(usual, free) for usual, free in _pairs(found)]


def _verdict(line: Line, free: Line | None) -> str:
    best = max(0.0, free.points if free else 0.0)  # of the control, and of label names
    said = [
        f"{line.task}, {line.labour_s:.0f} s of people's time: {line.points:+.1f} points against "
        f"control, {line.points - best:+.1f} against the best arm without votes."
    ]
    if line.saved_j is None:
        return f"{said[0]} Control's accuracy was never reached: nothing is saved."
    said.append(
        f"To control's accuracy it {_changes(line.saved_j)} machine energy (≈, estimate; "
        f"reached in {line.reached} of {line.seeds} pools)"
    )
    if free and free.saved_j is not None:
        said[-1] += f"; with label names alone, asking nobody, it {_changes(free.saved_j)}"
    net_j = line.saved_with_devices_j
    assert net_j is not None
    said[-1] += f"; with voters' devices it {_changes(net_j)}."
    if net_j < 0:
        said.append("So in one such run votes save no energy.")
    return " ".join(said)


STUDY_U = 0.5
"""Relative uncertainty (95 %) of joules that are CPU time x assumed watts."""


def _changes(saved_j: float) -> str:
    amount = words.energy(abs(saved_j), STUDY_U * abs(saved_j))
    return f"takes {amount} less" if saved_j >= 0 else f"takes {amount} more"


def _saved(line: Line) -> str:
    share = "" if line.reached == line.seeds else f" ({line.reached}/{line.seeds})"
    share += " before asking" if line.unasked else ""
    return "never" if line.saved_j is None else f"{line.saved_j:+.0f}{share}"


def _signed(value: float | None) -> str:
    return "never" if value is None else f"{value:+.0f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words as a Markdown table, the first one its heading."""
    heading, *body = rows
    said = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join(said + ["| " + " | ".join(row) + " |" for row in body])
