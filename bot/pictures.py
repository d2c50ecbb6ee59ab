"""Pictures, drawn in a process of their own: matplotlib is too heavy to live in the bot.

`python -m bot.pictures CHART.json OUT.png [CHART.json OUT.png ...]` draws charts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bot import metrics, words
from bot.history import ArmHistory
from bot.report import is_mostly_estimated
from bot.wording import arm_said, kind_of

COLOURS = {"human": "#0f7b6c", "control": "#8a8f98", "no_votes": "#c2772b"}
PHASE_COLOURS = {
    "load": "#b9bec6", "score": "#c2772b", "train": "#0f7b6c", "evaluate": "#5b6abf",
    "checkpoint": "#8f5aa8", "wait": "#e3c565", "bot": "#59616d", "other": "#d9dce1",
}  # fmt: skip
WHISKERS: Mapping[str, Any] = {
    "fmt": "none", "ecolor": "#2b2f36", "elinewidth": 1.0, "capsize": 3,
}  # fmt: skip
SIZE_INCH, DPI = (7.2, 4.2), 150


def metric_over_energy(report: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The chart of a report as plain data; of several seeds the mean, each seed faint behind. Pure."""
    seeds = report.get("seeds", [report])
    one_seed = len(seeds) == 1
    spec = report["provenance"]["spec"]
    kind = kind_of(spec)
    behind = [] if one_seed else [x for seed in seeds for x in _lines(seed, spec, is_faint=True)]
    totals = [arm["energy_j"]["total"] for seed in seeds for arm in seed["arms"].values()]
    is_estimated = any(is_mostly_estimated(total) for total in totals)
    target = seeds[0]["target"] if one_seed else None
    return {
        "title": title if one_seed else f"{title} (mean of {len(seeds)} seeds)",
        "lines": behind + _lines(report, spec, is_faint=False),
        "target": None if target is None else metrics.on_axis(target, kind),
        "x_label": f"machine energy so far, J{' (estimated)' if is_estimated else ''}",
        "y_label": metrics.axis(kind),
    }


def live(arms: Sequence[ArmHistory], spec: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The chart of a run under way: each arm so far. Pure."""
    is_estimated = any(words.sign(arm.total) for arm in arms)
    points = {arm.name: [(p.energy_j, p.metric) for p in arm.points] for arm in arms}
    return {
        "title": title,
        "lines": [_line(name, shown, spec, is_faint=False) for name, shown in points.items()],
        "target": None,
        "x_label": f"machine energy so far, J{' (estimated)' if is_estimated else ''}",
        "y_label": metrics.axis(kind_of(spec)),
    }


def _lines(
    report: Mapping[str, Any], spec: Mapping[str, Any], *, is_faint: bool
) -> list[dict[str, Any]]:
    return [
        _line(
            name, [(p["energy_j"], p["metric"]) for p in arm["history"] or []], spec,
            is_faint=is_faint,
        )
        for name, arm in report["arms"].items()
    ]  # fmt: skip


def _line(
    name: str, points: Sequence[tuple[float, float]], spec: Mapping[str, Any], *, is_faint: bool
) -> dict[str, Any]:
    """An arm's curve: joules and metric of its points."""
    return {
        "name": arm_said(name, spec),
        "colour": COLOURS.get(name, "#5b6abf"),
        "is_dashed": name != "human",
        "is_faint": is_faint,
        "x": [energy_j for energy_j, _ in points],
        "y": [metrics.on_axis(metric, kind_of(spec)) for _, metric in points],
    }


async def draw(chart: Mapping[str, Any], path: Path) -> bool:
    """Draw a chart to a PNG; False when drawing failed."""
    return await draw_all({path: chart})


async def draw_all(charts: Mapping[Path, Mapping[str, Any]]) -> bool:
    """Draw charts to PNGs, in one process; False when drawing one of them failed."""
    words: list[str] = []
    for path, chart in charts.items():
        plan = path.with_suffix(".json")
        await asyncio.to_thread(plan.write_text, json.dumps(chart), encoding="utf-8")
        words += (str(plan), str(path))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot.pictures", *words)
    return await process.wait() == 0


def _render(chart: Mapping[str, Any], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if chart.get("kind") == "day":
        figure = plt.figure(figsize=SIZE_INCH, layout="constrained")
        _draw_day(figure, chart)
    else:
        figure, axes = plt.subplots(figsize=SIZE_INCH, layout="constrained")
        _draw_curves(axes, chart)
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


def _draw_curves(axes: Any, chart: Mapping[str, Any]) -> None:
    for line in chart["lines"]:
        axes.plot(
            line["x"], line["y"], color=line["colour"],
            linewidth=1.0 if line["is_faint"] else 2.2, alpha=0.3 if line["is_faint"] else 1.0,
            linestyle="--" if line["is_dashed"] else "-",
            marker=None if line["is_faint"] else "o", markersize=4,
            label=None if line["is_faint"] else line["name"],
        )  # fmt: skip
    if chart["target"] is not None:
        axes.axhline(chart["target"], color="#8a8f98", linewidth=0.8, linestyle=":")
    axes.set(xlabel=chart["x_label"], ylabel=chart.get("y_label", "accuracy, %"))
    axes.set_title(chart["title"], loc="left", fontsize=11)
    axes.grid(visible=True, color="#e6e8eb", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=9, loc="best")


def _draw_day(figure: Any, chart: Mapping[str, Any]) -> None:
    """Above, who spent it and on what; below, the days before it."""
    arms, days = chart["arms"], chart["days"]
    above, below = figure.subplots(2, 1, height_ratios=[max(1.2, 0.45 * len(arms)), 1.4])
    figure.suptitle(chart["title"], x=0.01, ha="left", fontsize=11)
    names = [arm["name"] for arm in arms]
    left = [0.0] * len(arms)
    for phase, colour in PHASE_COLOURS.items():
        widths = [arm["phases"].get(phase, 0.0) for arm in arms]
        if any(widths):
            above.barh(names, widths, left=left, color=colour, label=phase, height=0.6)
            left = [a + b for a, b in zip(left, widths, strict=True)]
    spans = [min(arm["u"], whole) for arm, whole in zip(arms, left, strict=True)]
    above.errorbar(left, names, xerr=[spans, [arm["u"] for arm in arms]], **WHISKERS)
    above.invert_yaxis()
    above.set_xlabel(f"{chart['unit']}, whiskers: 95 % interval", fontsize=9)
    _tidy(above, "x")
    above.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    places = range(len(days))
    measured = [day["value"] * day["measured"] for day in days]
    guessed = [day["value"] - m for day, m in zip(days, measured, strict=True)]
    below.bar(places, measured, color="#3d5a80", width=0.6, label="measured")
    below.bar(places, guessed, bottom=measured, color="#b8c7da", width=0.6, label="estimated")
    known = [i for i, day in enumerate(days) if day["value"] > 0]
    heights = [days[i]["value"] for i in known]
    below.errorbar(known, heights, yerr=[days[i]["u"] for i in known], **WHISKERS)
    below.set_xticks(places, [day["name"] for day in days], fontsize=8)
    below.set_ylabel(f"{chart['week_unit']} a day", fontsize=9)
    below.set_ylim(bottom=0)
    _tidy(below, "y")
    below.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _tidy(axes: Any, grid: str) -> None:
    axes.grid(visible=True, axis=grid, color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


if __name__ == "__main__":
    for _plan, _picture in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        _render(json.loads(Path(_plan).read_text(encoding="utf-8")), Path(_picture))
