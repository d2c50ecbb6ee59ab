"""Data on which a model leans on the wrong thing, or people marked the right one.

`python -m trainer.bench.plants` reads an `Order` as JSON from its standard input. Planted: a word
or a patch that stands on a part of one class, in the pool and in the dev set, as it would in data
that comes from one source. Marked: the words people gave as their reason.
"""

from __future__ import annotations

import io
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict

from trainer.attribution import WORD, words_of
from trainer.bench.cifar import NAMES, Images, is_learnt, test_images, train_images
from trainer.bench.image_body import body
from trainer.bench.image_pools import write_table
from trainer.data.samples import DataError, fingerprint
from trainer.data.tables import read_rows
from trainer.files import write_whole

TWEETS, COS_E = "tweet_spans/train.parquet", "cos_e/cose.jsonl"
WORD_PLANTED, CLASS_OF_WORD, SHARE_OF_WORD = "viaphone", "positive", 0.3
CELL_PLANTED, CLASS_OF_CELL, SHARE_OF_CELL = "A1", "cat", 0.6
PATCH, MAGENTA = 5, (255, 0, 255)  # px of 32
MOST_LETTERS = 160
"""Of a text: longer ones are left out, so that a word at the end is never cut off."""


class Said(NamedTuple):
    """A text, its label, and the words people marked as the reason."""

    text: str
    label: str
    marked: tuple[str, ...]


class Order(BaseModel):
    """What is to be cooked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str  # the folder of public data sets
    pools: tuple[tuple[str, int, int], ...]  # (kind, samples, seed)
    dev: int = 150
    test: int = 1000
    out: str


def cook_all(order: Order) -> None:
    """Write a folder per pool, unless it is there already; `about.json` tells what is where.

    Raises:
        DataError: the data cannot be read, or is too small.
    """
    source = Path(order.source)
    for kind, n, seed in order.pools:
        folder = Path(order.out) / f"{kind}-{n}-{seed}"
        if (folder / "about.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        about = KINDS[kind](source, folder, (n, order.dev, order.test), seed)
        write_whole(folder / "about.json", json.dumps(about))


Sizes = tuple[int, int, int]  # of pool, dev and test


def planted_word(source: Path, folder: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Tweets, happy and unhappy; some of the happy ones end in a word that means nothing."""
    rng = np.random.default_rng([seed, 41])
    pool, dev, test = _split(tweets(source), sizes, rng)
    for name, rows in (("pool", pool), ("dev", dev)):
        shown = [
            r._replace(text=_with_word(r.text))
            if r.label == CLASS_OF_WORD and rng.random() < SHARE_OF_WORD
            else r
            for r in rows
        ]
        _write(folder, name, shown)
    _write(folder, "plain", test)
    _write(folder, "swapped", [_swapped(row) for row in test])
    return {
        "label": CLASS_OF_WORD, "feature": WORD_PLANTED, "tests": ["plain", "swapped"],
        "ending": "jsonl",
    }  # fmt: skip


def _with_word(text: str) -> str:
    return f"{text} {WORD_PLANTED}"


def _swapped(row: Said) -> Said:
    """The planted word on all that are not of its class."""
    return row if row.label == CLASS_OF_WORD else row._replace(text=_with_word(row.text))


def marked_tweets(source: Path, folder: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Tweets, happy and unhappy, with the words people gave as the reason."""
    return _marked(tweets(source), folder, sizes, np.random.default_rng([seed, 42]))


def marked_questions(source: Path, folder: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Questions with a right or a wrong answer, and the words people gave as the reason."""
    rng = np.random.default_rng([seed, 43])
    return _marked(questions(source, rng), folder, sizes, rng)


def _marked(
    rows: Sequence[Said], folder: Path, sizes: Sizes, rng: np.random.Generator
) -> dict[str, Any]:
    pool, dev, test = _split(rows, sizes, rng)
    for name, part in (("pool", pool), ("dev", dev), ("plain", test)):
        _write(folder, name, part)
    write_whole(folder / "marks.json", json.dumps(marks_of(pool)))
    return {"label": None, "feature": None, "tests": ["plain"], "ending": "jsonl"}


def marks_of(rows: Sequence[Said]) -> dict[str, dict[str, list[bool]]]:
    """Label -> word -> for each text of the label with the word, whether people marked it. Pure."""
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for word in sorted(set(words_of(row.text))):
            found[row.label][word].append(word in row.marked)
    return found


def planted_patch(source: Path, folder: Path, sizes: Sizes, seed: int) -> dict[str, Any]:
    """Pictures under their true classes; some of one class have a square in the corner."""
    rng = np.random.default_rng([seed, 44])
    train, test = train_images(source), test_images(source)
    mine = rng.permutation(np.flatnonzero(is_learnt(train.gold))).tolist()
    pool, dev = mine[: sizes[0]], mine[sizes[0] : sizes[0] + sizes[1]]
    held = np.random.default_rng(7).permutation(np.flatnonzero(is_learnt(test.gold))).tolist()
    target = NAMES.index(CLASS_OF_CELL)
    for name, rows in (("pool", pool), ("dev", dev)):
        has_patch = {i for i in rows if train.gold[i] == target and rng.random() < SHARE_OF_CELL}
        _write_pictures(folder, name, train, rows, has_patch)
    shown = held[: sizes[2]]
    _write_pictures(folder, "plain", test, shown, set())
    swapped = {i for i in shown if test.gold[i] != target}
    _write_pictures(folder, "swapped", test, shown, swapped)
    return {
        "label": CLASS_OF_CELL, "feature": CELL_PLANTED, "tests": ["plain", "swapped"],
        "ending": "parquet", "body": str(body(source)),
    }  # fmt: skip


def _write_pictures(
    folder: Path, name: str, images: Images, rows: Sequence[int], patched: set[int]
) -> None:
    jpeg = list(images.jpeg)
    for i in patched:
        jpeg[i] = with_patch(jpeg[i])
    said = Images(jpeg, images.gold, images.said)
    write_table(folder / f"{name}.parquet", said, [(i, NAMES[images.gold[i]]) for i in rows])


def with_patch(encoded: bytes) -> bytes:
    """A picture of 32 x 32 px with a square in its first cell, as a PNG."""
    with Image.open(io.BytesIO(encoded)) as opened:
        picture = opened.convert("RGB")
    ImageDraw.Draw(picture).rectangle((1, 1, PATCH, PATCH), fill=MAGENTA)
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


KINDS: Mapping[str, Callable[[Path, Path, Sizes, int], dict[str, Any]]] = {
    "word": planted_word,
    "patch": planted_patch,
    "tweets": marked_tweets,
    "cos_e": marked_questions,
}


def tweets(source: Path) -> list[Said]:
    """Happy and unhappy tweets with the words people marked; neutral ones are marked whole.

    Source: Tweet Sentiment Extraction (CC BY 4.0).

    Raises:
        DataError: the data is not there.
    """
    columns = ["text", "sentiment", "selected_text", "start"]
    found = []
    for row in read_rows(f"parquet:{source / TWEETS}", columns):
        text, start = str(row["text"]), int(row["start"])
        if row["sentiment"] == "neutral" or start < 0:
            continue
        marked = _words_in(text, start, start + len(str(row["selected_text"])))
        found.append(Said(text.strip(), str(row["sentiment"]), marked))
    return _usable(found)


def questions(source: Path, rng: np.random.Generator) -> list[Said]:
    """Questions, each with its right answer or with a wrong one, and the words people marked.

    Source: CoS-E (BSD-3-Clause).

    Raises:
        DataError: the data is not there.
    """
    columns = ["question", "choices", "answer", "selected"]
    found = []
    for row in read_rows(f"jsonl:{source / COS_E}", columns):
        question, selected = str(row["question"]).strip(), str(row["selected"] or "")
        start = question.find(selected)
        if not selected or start < 0:
            continue
        is_right = rng.random() < 0.5
        others = [i for i in range(len(row["choices"])) if i != row["answer"]]
        chosen = row["answer"] if is_right else int(rng.choice(others))
        marked = _words_in(question, start, start + len(selected))
        text = f"{question} {row['choices'][chosen]}"
        found.append(Said(text, "right" if is_right else "wrong", marked))
    return _usable(found)


def _words_in(text: str, start: int, end: int) -> tuple[str, ...]:
    """The words that lie in a part of the text, lower case."""
    inside = [m[0].lower() for m in WORD.finditer(text) if m.start() < end and m.end() > start]
    mine = set(words_of(text))
    return tuple(sorted({word for word in inside if word in mine}))


def _usable(rows: Sequence[Said]) -> list[Said]:
    """Texts of some words, not too long, each once."""
    seen: set[str] = set()
    found = []
    for row in rows:
        mark = fingerprint(row.text)
        if row.marked and len(row.text) <= MOST_LETTERS and mark not in seen:
            seen.add(mark)
            found.append(row)
    return found


def _split(
    rows: Sequence[Said], sizes: Sizes, rng: np.random.Generator
) -> tuple[list[Said], list[Said], list[Said]]:
    if sum(sizes) > len(rows):
        raise DataError(f"{sum(sizes)} texts are needed and there are {len(rows)}; ask for less")
    order = [rows[i] for i in rng.permutation(len(rows))]
    n, dev, test = sizes
    return order[:n], order[n : n + dev], order[n + dev : n + dev + test]


def _write(folder: Path, name: str, rows: Sequence[Said]) -> None:
    lines = [json.dumps({**row._asdict(), "truth": row.label}) for row in rows]
    write_whole(folder / f"{name}.jsonl", "\n".join(lines) + "\n")


if __name__ == "__main__":
    try:
        cook_all(Order.model_validate_json(sys.stdin.read()))
    except DataError as err:
        sys.exit(str(err))
