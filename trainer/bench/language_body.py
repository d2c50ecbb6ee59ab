"""A small language model that has seen none of the benchmark's answers.

It has read instructions with answers of other kinds, and school problems without theirs. Trained on
the spot, kept in the user's cache: some ten minutes of one core, once.
`python -m trainer.bench.language_body FOLDER` trains it beforehand.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from platformdirs import user_cache_path

from trainer import toys
from trainer.bench.prompts import Asked, asked_in, questions_of_test
from trainer.small_llama import Schooling, trained

log = logging.getLogger(__name__)

RECIPE = 1
"""Raise it when anything below changes: a body of an older recipe is trained anew."""
SCHOOLING = Schooling(
    width=256, layers=4, vocabulary=4096, context=256, steps=1170, lr=4e-3, is_digit_by_digit=True
)
FROM_ALPACA, FROM_JUDGED, FROM_DOLLY = 4600, 4370, 1500
"""The first rows of each; the benchmark's pools take theirs from behind them."""


def body(folder: Path) -> Path:
    """The folder of the trained model.

    Args:
        folder: of public data sets.

    Raises:
        trainer.data.samples.DataError: the texts are not there.
    """
    found = user_cache_path("joulery") / "toys" / f"instructed-llama-{RECIPE}"
    if not (found / "config.json").exists():
        log.info("training a small language model, once: some ten minutes")
        toys.save(found, *trained(texts(folder), SCHOOLING))
    return found


def texts(folder: Path) -> list[str]:
    """What it reads: prompts with answers as its chat template has them, and bare questions."""
    rows: list[Asked] = [
        *asked_in(folder / "alpaca_9k" / "alpaca_random9k.jsonl")[:FROM_ALPACA],
        *asked_in(folder / "alpaca_9k" / "alpaca_claude45.jsonl")[:FROM_JUDGED],
        *asked_in(folder / "dolly_3k" / "dolly_3k.jsonl")[:FROM_DOLLY],
    ]
    answered = [f"Q: {prompt}\nA:\n{answer}" for prompt, answer in rows]
    return [*answered, *(f"Q: {question}\n" for question in questions_of_test(folder))]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    log.info("the model lies at %s", body(Path(sys.argv[1])))
