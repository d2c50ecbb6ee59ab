"""Prompts with answers of public data sets, as the benchmark's pools are made of."""

from __future__ import annotations

import json
import re
from pathlib import Path

from trainer.data.samples import DataError

Asked = tuple[str, str]
"""A prompt with its answer."""
_CALCULATOR = re.compile(r"<<[^>]*>>")


def rows_of(path: Path) -> list[dict[str, object]]:
    """The rows of a file of JSON lines.

    Raises:
        DataError: it is not there.
    """
    if not path.is_file():
        raise DataError(f"no data file at {path}; give the folder of the public data sets")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def asked_in(path: Path) -> list[Asked]:
    """Instruction, with its input where it has one, and output; calculator marks taken out.

    Raises:
        DataError: the file is not there.
    """
    return [asked for row in rows_of(path) if all(asked := asked_of(row))]


def asked_of(row: dict[str, object]) -> Asked:
    """One of them."""
    given = [str(row.get(key) or "").strip() for key in ("instruction", "input")]
    answer = _CALCULATOR.sub("", str(row.get("output") or "")).strip()
    return "\n".join(filter(None, given)), answer


def questions_of_test(folder: Path) -> list[str]:
    """GSM8K's test questions, each once.

    Raises:
        DataError: they are not there.
    """
    rows = rows_of(folder / "gsm8k_solutions" / "model_solutions.jsonl")
    return list(dict.fromkeys(str(row["instruction"]).strip() for row in rows))
