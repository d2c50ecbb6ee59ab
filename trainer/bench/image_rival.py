"""What a logistic regression on frozen features of pictures does: `python -m trainer.bench.image_rival`.

Reads a `Task` as JSON from its standard input and writes what came out as JSON to a file.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from trainer import compute
from trainer.bench import rivals
from trainer.data.images import ImageFile
from trainer.data.tables import read_rows
from trainer.files import write_whole
from trainer.image_backbone import load_image_backbone
from trainer.pictures import Pictures
from trainer.spec import LoraSpec, TrainSpec

SHARPNESS = (1.0, 3.0, 8.0, 16.0)
"""Lengths of the vectors, hence how little they are regularised; the dev set says which."""


class Task(BaseModel):
    """What is to be fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Literal["frozen-lr", "answers-only"]
    folder: str  # with pool, dev and test tables
    body: str
    answers: tuple[tuple[str, str], ...] = ()  # (id, label) that people said is right
    out: str


def carry_out(task: Task) -> dict[str, Any]:
    """Accuracy and costs as the other arms' cells have them."""
    folder = Path(task.folder)
    pool, dev, test = (_rows(folder / f"{name}.parquet") for name in ("pool", "dev", "test"))
    labels = sorted({row["label"] for row in pool})
    place = {label: i for i, label in enumerate(labels)}
    began = time.process_time()
    said = dict(task.answers)
    chosen = pool
    if task.arm == "answers-only":
        chosen = [{**row, "label": said[row["id"]]} for row in pool if row["id"] in said]
    vectors = [_embed(task.body, [row["image"] for row in rows]) for rows in (chosen, dev, test)]
    spent_s = time.process_time() - began
    centre = vectors[0].mean(axis=0)
    x, x_dev, x_test = (_unit(v - centre) for v in vectors)
    y, y_dev, y_test = (
        np.array([place[row["label"]] for row in rows]) for rows in (chosen, dev, test)
    )
    point = {
        "samples": 0, "cpu_s": spent_s, "forwards": float(len(chosen)), "dev": None,
        "metric": _fitted(x, y, (x_dev, y_dev), (x_test, y_test)),
    }  # fmt: skip
    found: dict[str, Any] = {
        "curve": [point], "cpu_s": spent_s, "load_s": 0.0, "samples": 0, "people_s": 0.0,
        "forwards": point["forwards"], "is_flat": False,
    }  # fmt: skip
    if task.arm == "frozen-lr":
        right = np.array([row["truth"] == row["label"] for row in pool])
        found["on_right_rows"] = _fitted(x[right], y[right], (x_dev, y_dev), (x_test, y_test))
    return found


Held = tuple[np.ndarray, np.ndarray]  # unit rows, class ids


def _fitted(x: np.ndarray, y: np.ndarray, dev: Held, test: Held) -> float:
    """Test accuracy with the regularisation that serves the dev set best."""
    if len(y) == 0:
        return 0.0
    weight = np.ones(len(y))
    scores = [
        (
            rivals.logistic_regression(s * x, y, weight, s * dev[0], dev[1]),
            rivals.logistic_regression(s * x, y, weight, s * test[0], test[1]),
        )
        for s in SHARPNESS
    ]
    return max(scores, key=lambda pair: pair[0])[1]


def _rows(path: Path) -> list[dict[str, Any]]:
    return list(read_rows(f"parquet:{path}", ["id", "image", "label", "truth"]))


def _embed(body: str, encoded: Sequence[bytes]) -> np.ndarray:
    """What the body makes of some pictures: float32 (n, width)."""
    hardware = compute.set_up(TrainSpec(threads=1))
    backbone = load_image_backbone(body, None, LoraSpec(), 0)
    backbone.eval()
    held = Pictures(backbone, [ImageFile(None, data) for data in encoded], hardware)
    with backbone.untuned():
        vectors: np.ndarray = held.all_outputs().numpy()
    return vectors


def _unit(rows: np.ndarray) -> np.ndarray:
    found: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found


if __name__ == "__main__":
    order = Task.model_validate_json(sys.stdin.read())
    write_whole(Path(order.out), json.dumps(carry_out(order)))
