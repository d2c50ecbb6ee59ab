"""The pictures of a study as plain data, for `bot.pictures`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.bench.learning.cells import ASKED, AT_FIRST
from bot.study.plan import USUAL, Setting
from bot.study.recorded import Precision
from bot.study.summary import Line, Prices

Chart = dict[str, Any]

COLOURS = ("#0f7b6c", "#c2772b", "#5b6abf", "#b8473d", "#7a5195", "#c9b458")
GREY = "#8a8f98"


def _line(name: str, colour: str, points: Sequence[tuple[float, float]], **more: Any) -> Chart:
    return {
        "name": name, "colour": colour, "is_dashed": False, "is_faint": False,
        "x": [x for x, _ in points], "y": [y for _, y in points], **more,
    }  # fmt: skip


def over_labour(found: Sequence[Line], task: str, what: str) -> Chart:
    """Energy saved (`what` = `saved`) or accuracy (`accuracy`) over labour, a line per accuracy.

    What never reached the control's accuracy has no energy saved and no point.
    """
    value = _VALUES[what]
    mine = [line for line in found if line.task == task]
    shown = [
        _line(
            f"{USUAL.raters} people right {accuracy:.0%}", colour,
            sorted(
                (line.labour_s, y) for line in mine
                if line.setting is not None and _is_plain(line.setting, accuracy)
                and (y := value(line)) is not None
            ),
        )
        for accuracy, colour in zip(_accuracies(mine), COLOURS, strict=False)
    ]  # fmt: skip
    free = next((line for line in mine if line.setting is None), None)
    level = value(free) if free else None
    if level is not None:
        end = max((line.labour_s for line in mine), default=0.0)
        names = [(0.0, level), (end, level)]
        shown.append(_line("label names alone", GREY, names, is_dashed=True))
    label = "machine energy saved, J (estimate)" if what == "saved" else "accuracy, %"
    target = 0.0 if what == "saved" else _control(mine)
    return {
        "title": f"{task}: {'energy saved' if what == 'saved' else 'accuracy'} over people's time",
        "lines": [line for line in shown if line["x"]], "target": target,
        "x_label": "seconds of labour", "y_label": label,
    }  # fmt: skip


_VALUES: Mapping[str, Callable[[Line], float | None]] = {
    "saved": lambda line: line.saved_j,
    "accuracy": lambda line: line.accuracy,
}


def _is_plain(setting: Setting, accuracy: float) -> bool:
    is_usual = setting.raters == USUAL.raters and setting.asked_when == AT_FIRST
    return is_usual and setting.accuracy == accuracy


def _accuracies(found: Sequence[Line]) -> list[float]:
    return sorted({line.setting.accuracy for line in found if line.setting}, reverse=True)


def _control(found: Sequence[Line]) -> float | None:
    return found[0].accuracy - found[0].points if found else None


def when_asked(rows: Sequence[Mapping[str, Any]], task: str, prices: Prices) -> Chart:
    """Accuracy over machine energy: the control, and the usual people asked at other times."""
    shown = []
    arms: list[tuple[str, Setting | None]] = [("control", None)]
    arms += [(f"asked: {when}", Setting(asked_when=when)) for when in ASKED]
    for (name, setting), colour in zip(arms, (GREY, *COLOURS), strict=False):
        wanted = [
            row for row in rows
            if row["recipe"] == task and Setting.of(row) == setting
            and (setting is not None or row["arm"] == "control")
        ]  # fmt: skip
        curves = [
            [(prices.watts_per_core * p["cpu_s"], 100 * p["metric"]) for p in row["curve"]]
            for row in wanted
        ]
        columns = [list(zip(*points, strict=True)) for points in zip(*curves, strict=False)]
        points = [(sum(x) / len(x), sum(y) / len(y)) for x, y in columns]
        if points:
            shown.append(_line(name, colour, points, is_dashed=setting is None))
    return {
        "title": f"{task}: when votes are asked for", "lines": shown, "target": None,
        "x_label": "machine energy so far, J (estimate)",
    }  # fmt: skip


def precision(found: Sequence[Precision]) -> Chart:
    """Share of right items over seconds of labour per item: ours, and the majority dashed."""
    shown = []
    tasks = list(dict.fromkeys(one.task for one in found))
    for task, colour in zip(tasks, COLOURS, strict=False):
        mine = [one for one in found if one.task == task]
        ours = [(one.seconds, 100 * one.ours) for one in mine]
        counted = [(one.seconds, 100 * one.majority) for one in mine]
        shown.append(_line(task, colour, ours))
        shown.append(_line(f"{task}, majority", colour, counted, is_dashed=True))
    return {
        "title": "recorded votes: how often they come to the truth", "lines": shown,
        "target": None, "x_label": "seconds of labour per item", "y_label": "right items, %",
    }  # fmt: skip
