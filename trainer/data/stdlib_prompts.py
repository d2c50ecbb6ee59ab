"""What does this do? The standard library's docstrings as answers, and as pairs of answers.

No download: prompt and answer are what every Python carries. The answer is the first sentence or
two of a docstring; each is asked for once, and the splits share no docstring.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from trainer.data.dirt import exchanged, turned
from trainer.data.duplicates import fingerprint
from trainer.data.samples import OFF_TOPIC, DataError, Sample, pair
from trainer.data.stdlib import AREAS, ELSEWHERE, docstrings
from trainer.kinds import ANSWER
from trainer.spec import DirtSpec

REFUSAL = "See the documentation of the module for details."
"""What bulk dirt answers with."""
MIN_WORDS, MAX_WORDS = 5, 60
BOILERPLATE = 3
"""A docstring that stands at more objects says nothing about any of them."""
DEV_SIZE, TEST_SIZE, POOL_SIZE = 80, 150, 1000
STYLES = ("cut", "disorder", "another", "refusal")
"""What is wrong with the worse answer of a pair."""
CUT = (0.15, 0.5)
"""Share of its words that is left of an answer cut off in the middle."""
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z`'\"])")

Asked = tuple[str, str]
"""A prompt with its right answer."""


def read_stdlib_answers(
    split: str, *, seed: int, limit: int | None, dirt: DirtSpec
) -> list[Sample]:
    """One split of prompts with an answer: `pool` is dirty as stated, `dev` and `test` are clean.

    Shuffled: answers exchanged between prompts. Bulk: one refusal as the answer to many prompts.
    Off topic: prompts about other modules, with an answer that is cut off in the middle.

    Raises:
        DataError: this Python carries too few docstrings.
    """
    asked, rng = _split(split, seed, limit)
    if split != "pool":
        return [_answer(f"{split}-{n}", one, is_good=True) for n, one in enumerate(asked)]
    n_shuffled, n_bulk, n_off = _counts(len(asked), dirt)
    elsewhere = _some(about_other_modules(), n_off, rng, dirt)
    order = rng.permutation(len(asked))
    pool = [_answer(f"pool-{n}", one, is_good=True) for n, one in enumerate(asked)]
    for i, (prompt, answer) in zip(order[:n_off], elsewhere, strict=True):
        pool[i] = _answer(pool[i].sample_id, (prompt, _cut(answer, rng)), is_good=False)
    for i in order[n_off : n_off + n_bulk]:
        pool[i] = _answer(pool[i].sample_id, (pool[i].prompt, REFUSAL), is_good=False)
    return exchanged(pool, order[n_off + n_bulk :][:n_shuffled])


def read_stdlib_pairs(split: str, *, seed: int, limit: int | None, dirt: DirtSpec) -> list[Sample]:
    """One split of pairs: `pool` is dirty as stated, `dev` and `test` are clean.

    The better answer is the docstring; the worse one is its beginning, its words in disorder,
    another docstring or a refusal. Shuffled: pairs turned round. Bulk: all pairs with a
    refusal turned round, as many as stated. Off topic: two answers about other modules.

    Raises:
        DataError: this Python carries too few docstrings.
    """
    asked, rng = _split(split, seed, limit)
    if split != "pool":
        pairs = zip(asked, _worse(asked, STYLES, rng), strict=True)
        return [_pair(f"{split}-{n}", *one, worse) for n, (one, worse) in enumerate(pairs)]
    n_shuffled, n_bulk, n_off = _counts(len(asked), dirt)
    elsewhere = _some(about_other_modules(), 2 * n_off, rng, dirt)
    order = rng.permutation(len(asked))
    # where refusals are turned round, all of them are: nothing in the pool says that they are worse
    styles = STYLES if not n_bulk else tuple(style for style in STYLES if style != "refusal")
    pairs = zip(asked, _worse(asked, styles, rng), strict=True)
    pool = [_pair(f"pool-{n}", *one, worse) for n, (one, worse) in enumerate(pairs)]
    for n, i in enumerate(order[:n_off]):
        (_, one), (_, other) = elsewhere[2 * n : 2 * n + 2]
        pool[i] = replace(_pair(f"pool-{i}", asked[i][0], one, other), truth=OFF_TOPIC)
    for i in order[n_off : n_off + n_bulk]:
        prompt, better = asked[i]
        pool[i] = _pair(f"pool-{i}", prompt, better, REFUSAL)
    return turned(pool, order[n_off:][: n_bulk + n_shuffled])


@cache
def about_areas() -> tuple[Asked, ...]:
    """What can be asked about the modules of `AREAS`."""
    return questions((d.name, d.lead) for d in docstrings() if d.area in AREAS and d.area == d.home)


@cache
def about_other_modules() -> tuple[Asked, ...]:
    """What can be asked about other modules, and has no answer in common with `about_areas`."""
    known = {fingerprint(answer) for _, answer in about_areas()}
    others = ((d.name, d.lead) for d in docstrings() if d.name.partition(".")[0] in ELSEWHERE)
    return tuple(one for one in questions(others) if fingerprint(one[1]) not in known)


def questions(found: Iterable[tuple[str, str]]) -> tuple[Asked, ...]:
    """A prompt with its answer for each answer that says something, in a fixed order.

    Args:
        found: (full name, first paragraph of its docstring), with repetitions.
    """
    names: dict[str, set[str]] = defaultdict(set)
    written: dict[str, str] = {}
    for name, lead in found:
        answer = " ".join(_SENTENCES.split(lead)[:2])
        is_public = not any(part.startswith("_") for part in name.split("."))
        # an arrow stands in signatures, which docstrings of C functions begin with
        if is_public and "->" not in answer and MIN_WORDS <= len(answer.split()) <= MAX_WORDS:
            key = fingerprint(answer)
            names[key].add(name)
            written[key] = min(answer, written.get(key, answer))
    by_name: dict[str, str] = {}
    for key, where in names.items():
        if len(where) <= BOILERPLATE:
            by_name.setdefault(min(where), written[key])
    return tuple((f"What does {name} do?", answer) for name, answer in sorted(by_name.items()))


def _answer(sample_id: str, asked: Asked, *, is_good: bool) -> Sample:
    fields = {"prompt": asked[0], "answer": asked[1]}
    return Sample(sample_id, fields, ANSWER, ANSWER if is_good else OFF_TOPIC)


def _pair(sample_id: str, prompt: str, better: str, worse: str) -> Sample:
    sample = pair(sample_id, {"prompt": prompt}, better, worse)
    return replace(sample, truth=sample.label)


def _worse(
    asked: Sequence[Asked], styles: Sequence[str], rng: np.random.Generator
) -> Iterator[str]:
    """A worse answer to each prompt, every style as often."""
    for n, i in enumerate(rng.permutation(len(asked)).argsort()):
        style, (_, answer) = styles[i % len(styles)], asked[n]
        if style == "cut":
            yield _cut(answer, rng)
        elif style == "disorder":
            yield _in_disorder(answer, rng)
        elif style == "another":
            yield asked[(n + int(rng.integers(1, len(asked)))) % len(asked)][1]
        else:
            yield REFUSAL


def _cut(answer: str, rng: np.random.Generator) -> str:
    words = answer.split()
    return " ".join(words[: max(1, int(len(words) * rng.uniform(*CUT)))])


def _in_disorder(answer: str, rng: np.random.Generator) -> str:
    words = answer.split()
    mixed = [words[i] for i in rng.permutation(len(words))]
    return " ".join(mixed if mixed != words else words[::-1])


def _counts(size: int, dirt: DirtSpec) -> tuple[int, int, int]:
    """How many samples of a pool are shuffled, in bulk, off topic."""
    return round(size * dirt.shuffled), round(size * dirt.bulk), round(size * dirt.off_topic)


def _split(split: str, seed: int, limit: int | None) -> tuple[list[Asked], np.random.Generator]:
    """(what is asked in a split, what to draw its dirt with)."""
    asked, until = about_areas(), DEV_SIZE + TEST_SIZE
    if len(asked) < 2 * until:
        raise DataError(
            f"only {len(asked)} docstrings found in this Python; run without -OO, or name another "
            "data source"
        )
    order = np.random.default_rng([seed, 4]).permutation(len(asked))
    start, n = {
        "dev": (0, DEV_SIZE),
        "test": (DEV_SIZE, TEST_SIZE),
        "pool": (until, limit or POOL_SIZE),
    }[split]
    number = ("dev", "test", "pool").index(split)
    chosen = [asked[i] for i in order[start : start + n]]
    return chosen, np.random.default_rng([seed, 5, number])


def _some(asked: Sequence[Asked], n: int, rng: np.random.Generator, dirt: DirtSpec) -> list[Asked]:
    if n > len(asked):
        raise DataError(
            f"data.dirt.off_topic = {dirt.off_topic} takes {n} docstrings of other modules, but "
            f"this Python has only {len(asked)}; set a smaller share"
        )
    return [asked[i] for i in rng.permutation(len(asked))[:n]]
