"""From cells to what a study says: energy saved against labour spent, accuracy beside it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from bot import words
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
        control_j: the control's.
        reached_j: spent when the control's accuracy was reached first; None = never.
        labour_s: people's seconds.
    """

    task: str
    setting: Setting | None
    seed: int
    accuracy: float
    control: float
    energy_j: float
    control_j: float
    reached_j: float | None
    labour_s: float

    @property
    def saved_j(self) -> float | None:
        """Energy the control spent beyond what reached its accuracy; negative = it cost more."""
        return None if self.reached_j is None else self.control_j - self.reached_j


def outcomes(rows: Sequence[Row], prices: Prices) -> list[Outcome]:
    """Every cell but the controls, whose pool has a control."""
    controls = {(r["recipe"], r["seed"]): r for r in rows if r["arm"] == "control"}
    found = []
    for row in rows:
        control = controls.get((row["recipe"], row["seed"]))
        if control is None or row["arm"] == "control":
            continue
        reached_s = cost_to(row, final(control), "cpu_s")
        watts = prices.watts_per_core
        found.append(Outcome(
            task=row["recipe"], setting=Setting.of(row), seed=row["seed"],
            accuracy=final(row), control=final(control),
            energy_j=watts * row["curve"][-1]["cpu_s"],
            control_j=watts * control["curve"][-1]["cpu_s"],
            reached_j=None if reached_s is None else watts * reached_s,
            labour_s=row["people_s"],
        ))  # fmt: skip
    return found


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
        control_j: the control's energy.
        energy_j: all that was spent.
        saved_j: mean over the pools that reached the control's accuracy; None where none did.
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
    energy_j: float
    saved_j: float | None
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
            "energy_j_estimate": self.energy_j, "saved_j_estimate": self.saved_j,
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
    labour_s = mean(one.labour_s for one in group)
    return Line(
        task=task, setting=setting, seeds=len(group), reached=len(saved),
        accuracy=100 * mean(one.accuracy for one in group),
        points=100 * mean(one.accuracy - one.control for one in group),
        control_j=mean(one.control_j for one in group),
        energy_j=mean(one.energy_j for one in group),
        saved_j=mean(saved) if saved else None,
        labour_s=labour_s, devices_j=prices.device_w * labour_s,
    )  # fmt: skip


# --- words --------------------------------------------------------------------------------------


def by_task(found: Sequence[Line]) -> list[tuple[str, ...]]:
    """A heading, and a row per task: the usual setting, and what is free."""
    rows: list[tuple[str, ...]] = [(
        "task", "control: accuracy %", "J", "label names alone: accuracy %", "saved J",
        "with votes: accuracy %", "saved J", "labour s", "saved J, voters' devices paid",
    )]  # fmt: skip
    for task in dict.fromkeys(line.task for line in found):
        mine = {line.setting: line for line in found if line.task == task}
        usual, free = mine.get(USUAL), mine.get(None)
        if usual is None:
            continue
        rows.append((
            task, f"{usual.accuracy - usual.points:.1f}", f"{usual.control_j:.0f}",
            f"{free.accuracy:.1f}" if free else "-", _saved(free) if free else "-",
            f"{usual.accuracy:.1f}", _saved(usual), f"{usual.labour_s:.0f}",
            _joules(usual.saved_with_devices_j),
        ))  # fmt: skip
    return rows


def by_setting(found: Sequence[Line]) -> list[tuple[str, ...]]:
    """A heading, and a row per task and setting."""
    rows: list[tuple[str, ...]] = [(
        "task", "people", "right", "votes", "asked", "seeds", "labour s", "s each",
        "accuracy %", "over control", "J", "saved J", "saved J, voters' devices paid",
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
            _joules(line.saved_with_devices_j),
        ))  # fmt: skip
    return rows


def verdicts(found: Sequence[Line]) -> list[str]:
    """A plain sentence per task, by its usual setting."""
    return [_verdict(line) for line in found if line.setting == USUAL]


def _verdict(line: Line) -> str:
    said = f"{line.task}: {line.labour_s:.0f} s of people's time"
    ends = f"ends {abs(line.points):.1f} points {'above' if line.points >= 0 else 'below'} control"
    if line.saved_j is None:
        return f"{said} never reach the control's accuracy and save nothing; it {ends}."
    net_j = line.saved_with_devices_j
    assert net_j is not None
    return (
        f"{said} {_changes(line.saved_j)} on the machine (≈, estimate; in {line.reached} of "
        f"{line.seeds} pools); with voters' devices one run {_changes(net_j)}; it {ends}."
    )


def _changes(saved_j: float) -> str:
    verb = "save" if saved_j >= 0 else "cost"
    return f"{verb} {words.energy(abs(saved_j))}{'' if saved_j >= 0 else ' more'}"


def _saved(line: Line) -> str:
    share = "" if line.reached == line.seeds else f" ({line.reached}/{line.seeds})"
    return "never" if line.saved_j is None else f"{line.saved_j:+.0f}{share}"


def _joules(value: float | None) -> str:
    return "never" if value is None else f"{value:+.0f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words as a Markdown table, the first one its heading."""
    heading, *body = rows
    said = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return "\n".join(said + ["| " + " | ".join(row) + " |" for row in body])
