"""Pools of prompts with answers, and of pairs, with dirt of known kinds. Deterministic by seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.bench.language_body import FROM_ALPACA, FROM_DOLLY
from trainer.bench.prompts import Asked, asked_in, asked_of, questions_of_test, rows_of
from trainer.data.samples import DataError

Row = dict[str, Any]

MOST_WORDS = (70, 70)
"""Of a prompt and of an answer, so that both fit into `MAX_TOKENS`."""
MAX_TOKENS = 208
POOL, TOPIC_POOL, FLAGGED, PAIRS = 700, 900, 500, 320
DEV, TEST, HELD_PAIRS = 60, 96, 120
WANTED = 0.099
"""Share of the wanted topic in the pool of topics."""
SHIFTED, CUT, OFF_TOPIC, REFUSED, HTML, TWICE = 0.16, 0.10, 0.10, 0.07, 0.07, 0.10
"""Shares of `mix`; the rest is clean."""
REFUSALS = (
    "I am sorry, but I cannot help with that.",
    "As an AI language model, I am not able to answer this question.",
    "I do not have enough information to answer this.",
    "Unfortunately I cannot provide an answer to that request.",
)
TAGS = ("<b>", "</b>", "<div>", "</div>", "<br>", "&nbsp;", "<p>", "</p>", "<span>", "</span>")
TAGGED = 0.22
LEFT = (0.15, 0.55)
"""Share of its words that is left of a truncated answer."""
RECIPES = ("mix", "topics", "correct", "judged", "pairs-sys", "pairs-rand")


def write(recipe: str, seed: int, data: Path, folder: Path) -> None:
    """`pool.jsonl`, `dev.jsonl` and `test.jsonl` of a recipe, in `folder`.

    Args:
        recipe: one of `RECIPES`.
        seed: of all draws.
        data: the folder of public data sets.
        folder: made where it is missing.

    Raises:
        DataError: the data sets are not there.
    """
    made: dict[str, Callable[[Path, np.random.Generator], dict[str, list[Row]]]] = {
        "mix": _mix,
        "topics": _topics,
        "correct": _correct,
        "judged": _judged,
        "pairs-sys": lambda where, rng: _pairs(where, rng, is_systematic=True),
        "pairs-rand": lambda where, rng: _pairs(where, rng, is_systematic=False),
    }
    splits = made[recipe](data, np.random.default_rng([seed, 31]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = (json.dumps({"id": str(i), **row}) for i, row in enumerate(rows))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- supervised fine-tuning ---------------------------------------------------------------------


def _mix(data: Path, rng: np.random.Generator) -> dict[str, list[Row]]:
    """School problems: answers exchanged, cut, of other kinds, refused, with tags; some twice."""
    problems = _drawn(_problems(data), rng)
    dev, test, rest = problems[:DEV], problems[DEV : DEV + TEST], problems[DEV + TEST :]
    n = {name: round(POOL * share) for name, share in (
        ("shifted", SHIFTED), ("cut", CUT), ("off", OFF_TOPIC), ("refused", REFUSED),
        ("html", HTML), ("twice", TWICE),
    )}  # fmt: skip
    n_clean = POOL - sum(n.values())
    clean, rest = rest[:n_clean], rest[n_clean:]
    rows = [_row(asked, is_good=True) for asked in clean]
    rows += [_row(clean[i], is_good=True) for i in rng.permutation(n_clean)[: n["twice"]]]

    def take(count: int) -> list[Asked]:
        nonlocal rest
        taken, rest = rest[:count], rest[count:]
        return taken

    shifted = take(n["shifted"])
    answers = [answer for _, answer in shifted]
    rows += [
        _row((prompt, answer), is_good=False)
        for (prompt, _), answer in zip(shifted, answers[1:] + answers[:1], strict=True)
    ]
    rows += [_row((p, _cut(a, rng)), is_good=False) for p, a in take(n["cut"])]
    rows += [_row((p, _refusal(rng)), is_good=False) for p, _ in take(n["refused"])]
    rows += [_row((p, _tagged(a, rng)), is_good=False) for p, a in take(n["html"])]
    rows += [_row(asked, is_good=False) for asked in _drawn(_instructions(data), rng)[: n["off"]]]
    return {
        "pool": [rows[i] for i in rng.permutation(len(rows))],
        "dev": [_row(asked, is_good=True) for asked in dev],
        "test": [_row(asked, is_good=True) for asked in test],
    }


def _topics(data: Path, rng: np.random.Generator) -> dict[str, list[Row]]:
    """A tenth of school problems among instructions of all kinds; held out are problems alone."""
    problems = _drawn(_problems(data), rng)
    n = round(TOPIC_POOL * WANTED)
    dev, test, wanted = problems[:DEV], problems[DEV : 2 * DEV], problems[2 * DEV : 2 * DEV + n]
    others = _drawn(_instructions(data), rng)[: TOPIC_POOL - n]
    rows = [_row(asked, is_good=True) for asked in wanted]
    rows += [_row(asked, is_good=False) for asked in others]
    return {
        "pool": [rows[i] for i in rng.permutation(len(rows))],
        "dev": [_row(asked, is_good=True) for asked in dev],
        "test": [_row(asked, is_good=True) for asked in test],
    }


def _correct(data: Path, rng: np.random.Generator) -> dict[str, list[Row]]:
    """Solutions of language models, right or wrong; held out are solutions of people."""
    found = [
        (asked_of({**row, "input": ""}), bool(row["is_correct"]))
        for row in rows_of(data / "gsm8k_solutions" / "model_solutions.jsonl")
    ]
    return _flagged(found, _problems(data), rng)


def _judged(data: Path, rng: np.random.Generator) -> dict[str, list[Row]]:
    """Machine-made instructions that a judge found good or not; held out are ones found good."""
    rows = rows_of(data / "alpaca_9k" / "alpaca_random9k.jsonl")[FROM_ALPACA:]
    found = [(asked_of(row), bool(row["claude_ge_4_5"])) for row in rows]
    good = [asked for asked, is_good in found if is_good]
    rng_good = [good[i] for i in rng.permutation(len(good))]
    held, kept = rng_good[: DEV + TEST], set(rng_good[DEV + TEST :])
    pool = [(asked, is_good) for asked, is_good in found if not is_good or asked in kept]
    return _flagged(pool, held, rng, good_share=0.46)


def _flagged(
    found: Sequence[tuple[Asked, bool]],
    held: Sequence[Asked],
    rng: np.random.Generator,
    good_share: float | None = None,
) -> dict[str, list[Row]]:
    fits = [(asked, is_good) for asked, is_good in found if all(asked) and _is_short(asked)]
    order = [fits[i] for i in rng.permutation(len(fits))]
    if good_share is not None:
        n_good = round(FLAGGED * good_share)
        good, bad = [r for r in order if r[1]][:n_good], [r for r in order if not r[1]]
        order = [*good, *bad[: FLAGGED - len(good)]]
    drawn = _drawn(held, rng)
    chosen = order[:FLAGGED]
    return {
        "pool": [_row(*chosen[i]) for i in rng.permutation(len(chosen))],
        "dev": [_row(asked, True) for asked in drawn[:DEV]],
        "test": [_row(asked, True) for asked in drawn[DEV : DEV + TEST]],
    }


def _row(asked: Asked, is_good: bool) -> Row:
    return {"prompt": asked[0], "answer": asked[1], "truth": is_good}


# --- pairs --------------------------------------------------------------------------------------

STYLES = ("cut", "disorder", "refusal", "html")
HTML_TURNED, AT_RANDOM, TURNED = 0.4, 0.04, 0.34
"""Of pairs that lose by tags, of all others; of all pairs where chance alone turns them."""


def _pairs(data: Path, rng: np.random.Generator, *, is_systematic: bool) -> dict[str, list[Row]]:
    """A true answer beside a bad one; some pairs of the pool are filed the wrong way round.

    Systematic: all pairs that lose by a refusal, 40 % of those by tags, 4 % of the rest.
    """
    asked = _drawn([*_problems(data), *_dolly(data)], rng)
    rows = []
    for i, (prompt, answer) in enumerate(asked[: PAIRS + 2 * HELD_PAIRS]):
        style = STYLES[int(rng.integers(len(STYLES)))]
        chance = {"refusal": 1.0, "html": HTML_TURNED}.get(style, AT_RANDOM)
        is_turned = i < PAIRS and rng.random() < (chance if is_systematic else TURNED)
        better, worse = answer, _worse(answer, style, rng)
        first, second = (worse, better) if is_turned else (better, worse)
        rows.append({
            "prompt": prompt, "chosen": first, "rejected": second,
            "truth": "rejected" if is_turned else "chosen", "style": style,
        })  # fmt: skip
    return {
        "pool": rows[:PAIRS],
        "dev": rows[PAIRS : PAIRS + HELD_PAIRS],
        "test": rows[PAIRS + HELD_PAIRS :],
    }


def _worse(answer: str, style: str, rng: np.random.Generator) -> str:
    if style == "cut":
        return _cut(answer, rng)
    if style == "disorder":
        words = answer.split()
        return " ".join(words[i] for i in rng.permutation(len(words)))
    return _refusal(rng) if style == "refusal" else _tagged(answer, rng)


# --- texts --------------------------------------------------------------------------------------


def _problems(data: Path) -> list[Asked]:
    """School problems with people's solutions, none of them a question of the test set."""
    known = set(questions_of_test(data))
    rows = asked_in(data / "gsm8k_solutions" / "train_2000.jsonl")
    return [asked for asked in rows if _is_short(asked) and asked[0] not in known]


def _instructions(data: Path) -> list[Asked]:
    """Machine-made instructions that the body has not read."""
    judged = set(asked_in(data / "alpaca_9k" / "alpaca_claude45.jsonl"))
    rows = asked_in(data / "alpaca_9k" / "alpaca_random9k.jsonl")[FROM_ALPACA:]
    return [asked for asked in rows if _is_short(asked) and asked not in judged]


def _dolly(data: Path) -> list[Asked]:
    """Instructions with people's answers that the body has not read."""
    rows = asked_in(data / "dolly_3k" / "dolly_3k.jsonl")[FROM_DOLLY:]
    return [asked for asked in rows if _is_short(asked)]


def _is_short(asked: Asked) -> bool:
    return all(3 <= len(text.split()) <= most for text, most in zip(asked, MOST_WORDS, strict=True))


def _drawn(asked: Sequence[Asked], rng: np.random.Generator) -> list[Asked]:
    """In random order, no prompt twice."""
    once = list({prompt: (prompt, answer) for prompt, answer in asked}.values())
    if len(once) < DEV + TEST:
        raise DataError(f"only {len(once)} short prompts found; give the whole data sets")
    return [once[i] for i in rng.permutation(len(once))]


def _cut(answer: str, rng: np.random.Generator) -> str:
    words = answer.split()
    return " ".join(words[: max(1, int(len(words) * rng.uniform(*LEFT)))])


def _refusal(rng: np.random.Generator) -> str:
    return REFUSALS[int(rng.integers(len(REFUSALS)))]


def _tagged(answer: str, rng: np.random.Generator) -> str:
    words = [
        f"{TAGS[int(rng.integers(len(TAGS)))]} {word}" if rng.random() < TAGGED else word
        for word in answer.split()
    ]
    return " ".join(words)
