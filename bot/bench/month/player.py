"""A process that plays a recorded segment back: it trains nothing, and lives and dies like one that does.

Run as `python player.py PLAN RECORDED PACE SECONDS`; it outlives a killed bot, hears the same wish to
stop, and leaves a report of its plan's own.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

STEP_S = 0.05


def main(plan_path: Path, recorded_path: Path, pace_path: Path, seconds: float) -> None:
    """Play one segment."""
    plan: dict[str, Any] = json.loads(plan_path.read_text("utf-8"))
    pace: dict[str, float] = json.loads(pace_path.read_text("utf-8"))
    folder = Path(plan["folder"])
    handle = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    _write(folder / "process.json", handle)
    began, ends = _now(pace), time.monotonic() + seconds
    while time.monotonic() < ends and not (folder / "stop").exists():
        time.sleep(STEP_S)
    report: dict[str, Any] = json.loads(recorded_path.read_text("utf-8"))
    is_whole = time.monotonic() >= ends
    report |= {name: plan[name] for name in ("run_id", "arm", "segment", "attempt", "lease_token")}
    report |= {"started_at": began, "ended_at": _now(pace)}
    if not is_whole:
        report |= {"outcome": "stopped", "candidates": [], "features": [], "checkpoint": None}
    points = report["evaluations"] if is_whole else []
    report["evaluations"] = [point | {"at": _now(pace)} for point in points]
    if report["checkpoint"] is not None:
        place = Path(plan["arm_folder"]) / f"played-{plan['segment']}-{plan['attempt']}"
        place.mkdir(parents=True, exist_ok=True)
        report["checkpoint"] |= {"path": str(place)}
    _write(folder / "report.json", report)


def _now(pace: dict[str, float]) -> str:
    at = pace["starts"] + (time.time() - pace["wall"]) * pace["speed"]
    return datetime.fromtimestamp(at, UTC).isoformat()


def _write(path: Path, value: object) -> None:
    """Whole, or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(value), "utf-8")
    draft.replace(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
