"""Pictures, drawn in a process of their own: matplotlib is too heavy to live in the bot.

`python -m bot.pictures CHART.json OUT.png [CHART.json OUT.png ...]` draws charts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import metrics
from bot.report import is_mostly_estimated
from bot.wording import arm_said, kind_of

COLOURS = {"human": "#0f7b6c", "control": "#8a8f98", "no_votes": "#c2772b"}
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


def _lines(
    report: Mapping[str, Any], spec: Mapping[str, Any], *, is_faint: bool
) -> list[dict[str, Any]]:
    return [
        {
            "name": arm_said(name, spec),
            "colour": COLOURS.get(name, "#5b6abf"),
            "is_dashed": name != "human",
            "is_faint": is_faint,
            "x": [p["energy_j"] for p in arm["history"] or []],
            "y": [metrics.on_axis(p["metric"], kind_of(spec)) for p in arm["history"] or []],
        }
        for name, arm in report["arms"].items()
    ]


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

    figure, axes = plt.subplots(figsize=SIZE_INCH, layout="constrained")
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
    figure.savefig(path, dpi=DPI)
    plt.close(figure)


if __name__ == "__main__":
    for _plan, _picture in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        _render(json.loads(Path(_plan).read_text(encoding="utf-8")), Path(_picture))
