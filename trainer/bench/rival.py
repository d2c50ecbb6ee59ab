"""Arms that are no runs of ours, each in a process of its own: `python -m trainer.bench.rival`.

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

from trainer.bench import rivals
from trainer.bench.cook import embed
from trainer.bench.stock import train_stock
from trainer.files import write_whole

NAME_WEIGHT = 0.3


class Task(BaseModel):
    """What is to be trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    arm: Literal["stock", "frozen-lr", "answers-only"]
    folder: str  # with pool, dev and test rows
    epochs: float
    max_tokens: int
    seed: int
    evaluations: int
    answers: tuple[tuple[str, str], ...] = ()  # (sample id, label) that people said are right
    out: str


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def carry_out(task: Task) -> dict[str, Any]:
    """The arm's curve and costs."""
    folder = Path(task.folder)
    pool, test = _rows(folder, "pool"), _rows(folder, "test")
    labels = sorted({row["label"] for row in pool})
    class_id = {label: i for i, label in enumerate(labels)}
    test = [row for row in test if row["label"] in class_id]
    given = [class_id[row["label"]] for row in pool]
    truth = np.array([class_id[row["label"]] for row in test])
    texts, test_texts = [row["text"] for row in pool], [row["text"] for row in test]
    if task.arm == "stock":
        total = round(task.epochs * len(pool))
        marks = [round(total * i / task.evaluations) for i in range(1, task.evaluations)]
        run = train_stock(
            texts, given, len(labels), marks, test_texts, truth.tolist(),
            epochs=task.epochs, max_tokens=task.max_tokens, seed=task.seed, threads=1,
        )  # fmt: skip
        curve = [
            {
                "samples": p.samples,
                "cpu_s": p.cpu_s,
                "forwards": 2.2 * p.samples,
                "metric": p.accuracy,
            }
            for p in run.curve
        ]
        return {
            "curve": curve,
            "cpu_s": run.cpu_s,
            "load_s": run.load_cpu_s,
            "samples": run.samples,
        }
    began = time.process_time()
    if task.arm == "answers-only":
        said = {row["id"]: label for row, label in _answered(pool, task.answers)}
        chosen = [row for row in pool if row["id"] in said and said[row["id"]] in class_id]
        vectors = embed([r["text"] for r in chosen] + [c.replace("_", " ") for c in labels])
        known = [class_id[said[r["id"]]] for r in chosen] + list(range(len(labels)))
        weight = np.array([1.0] * len(chosen) + [NAME_WEIGHT] * len(labels))
    else:
        vectors, known, weight = embed(texts), given, np.ones(len(texts))
    accuracy = rivals.logistic_regression(
        vectors, np.array(known), weight, embed(test_texts), truth
    )
    point = {"samples": 0, "cpu_s": time.process_time() - began, "forwards": float(len(vectors)),
             "metric": accuracy}  # fmt: skip
    found: dict[str, Any] = {"curve": [point], "cpu_s": point["cpu_s"], "load_s": 0.0, "samples": 0}
    if task.arm == "frozen-lr":
        found["on_right_rows"] = _on_right_rows(pool, vectors, given, test_texts, truth)
    return found


def _answered(
    pool: Sequence[dict[str, Any]], answers: Sequence[tuple[str, str]]
) -> list[tuple[dict[str, Any], str]]:
    by_id = {row["id"]: row for row in pool}
    return [(by_id[i], label) for i, label in answers if i in by_id]


def _on_right_rows(
    pool: Sequence[dict[str, Any]], vectors: np.ndarray, given: Sequence[int],
    test_texts: Sequence[str], truth: np.ndarray,
) -> float:  # fmt: skip
    """Logistic regression on what is right alone: what cleaning gives without any fine-tuning."""
    right = np.array([row["truth"] == row["label"] for row in pool])
    return rivals.logistic_regression(
        vectors[right], np.array(given)[right], np.ones(int(right.sum())), embed(test_texts), truth
    )


if __name__ == "__main__":
    order = Task.model_validate_json(sys.stdin.read())
    write_whole(Path(order.out), json.dumps(carry_out(order)))
