"""Cooking the pools of a benchmark, in a process of its own: `python -m trainer.bench.cook`.

Reads an `Order` as JSON from its standard input and writes pool, dev and test rows as JSON lines,
as anybody's data would come.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from trainer import compute
from trainer.activations import Texts
from trainer.backbone import load_backbone
from trainer.bench.data import Kitchen, any_table, banking_and_clinc, rows_at
from trainer.bench.recipes import RECIPES, Rows, cook, nearest_labels
from trainer.data.samples import DataError
from trainer.files import write_whole
from trainer.marks import Marks
from trainer.spec import LoraSpec, TrainSpec


class Order(BaseModel):
    """What is to be cooked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # the folder of banking77 and clinc150, or a table such as csv:FILE
    text: str = "text"
    label: str = "label"
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    n: int
    test_rows: int | None = None  # use at most so many test rows
    out: str


def cook_all(order: Order) -> None:
    """Write a folder per recipe and seed, unless it is there already.

    Raises:
        DataError: the data cannot be read, or is too small.
    """
    kitchen = _kitchen(order)
    out = Path(order.out)
    nearest = _nearest(kitchen, out / "nearest.json")
    for recipe in order.recipes:
        for seed in order.seeds:
            folder = out / f"{recipe}-{order.n}-{seed}"
            if (folder / "pool.jsonl").exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([seed, 11])
            pool = cook(RECIPES[recipe], order.n, kitchen.on_topic, kitchen.off_topic, nearest, rng)
            _write_rows(folder / "dev.jsonl", kitchen.dev, None)
            _write_rows(folder / "test.jsonl", kitchen.test, order.test_rows)
            used = {sample.text for sample in pool}
            spare = [i for i, text in enumerate(kitchen.on_topic.texts) if text not in used]
            _write_rows(folder / "spare.jsonl", rows_at(kitchen.on_topic, spare), None)
            rows = [
                {"id": str(i), "text": s.text, "label": s.label, "truth": s.truth}
                for i, s in enumerate(pool)
            ]
            write_whole(folder / "pool.jsonl", "\n".join(map(json.dumps, rows)) + "\n")


def _kitchen(order: Order) -> Kitchen:
    if ":" not in order.source:
        return banking_and_clinc(Path(order.source))
    return any_table(order.source, order.text, order.label)


def _nearest(kitchen: Kitchen, path: Path) -> dict[str, str]:
    """Label -> the one it is most easily taken for, kept on disk: it costs a forward per row."""
    if path.exists():
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = embed(kitchen.on_topic.texts)
    nearest = nearest_labels(vectors, kitchen.on_topic.labels)
    write_whole(path, json.dumps(nearest))
    return nearest


def embed(texts: Sequence[str], max_tokens: int = 32) -> np.ndarray:
    """Unit vectors of MiniLM: float32 (n, 384)."""
    hardware = compute.set_up(TrainSpec(threads=1))
    backbone, tokenizer = load_backbone("minilm", None, LoraSpec(), 0)
    backbone.eval()
    held = Texts(backbone, tokenizer, texts, max_tokens, hardware)
    held.fill(Marks(), "reading")
    unit: np.ndarray = torch.nn.functional.normalize(held.all_outputs(), dim=1).numpy()
    return unit


def _write_rows(path: Path, rows: Rows, limit: int | None) -> None:
    index = np.arange(len(rows))
    if limit is not None and limit < len(rows):
        index = np.sort(np.random.default_rng(3).permutation(len(rows))[:limit])
    lines = [json.dumps({"text": rows.texts[i], "label": rows.labels[i]}) for i in index.tolist()]
    write_whole(path, "\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        cook_all(Order.model_validate_json(sys.stdin.read()))
    except DataError as err:
        sys.exit(str(err))
