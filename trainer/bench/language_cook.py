"""Cooking pools of prompts and of pairs: `python -m trainer.bench.language_cook`.

Reads an `Order` as JSON from its standard input; writes the rows of every pool, and of the small
language model that is to be tuned where it lies and how long a prompt with its answer may be.
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from trainer.bench.language_body import body
from trainer.bench.language_pools import MAX_TOKENS, write
from trainer.data.samples import DataError
from trainer.files import write_whole

ABOUT = "language.json"


class Order(BaseModel):
    """What is to be cooked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # folder of public data sets
    pools: tuple[tuple[str, int], ...]  # (recipe, seed)
    out: str


def cook_all(order: Order) -> None:
    """Write a folder per recipe and seed, and `ABOUT`, unless they are there already.

    Raises:
        DataError: the data cannot be read, or is too small.
    """
    source, out = Path(order.source), Path(order.out)
    for recipe, seed in order.pools:
        folder = out / f"language-{recipe}-{seed}"
        if not (folder / "test.jsonl").exists():  # it is written last
            write(recipe, seed, source, folder)
    about = out / ABOUT
    if not about.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(about, json.dumps({"body": str(body(source)), "max_tokens": MAX_TOKENS}))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        cook_all(Order.model_validate_json(sys.stdin.read()))
    except DataError as err:
        sys.exit(str(err))
