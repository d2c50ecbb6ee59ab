"""Asking one of the trainer's modules for a single thing: a process, a task in, an answer out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from bot.energy.export import ExportError

QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TOKENIZERS_PARALLELISM": "false"}


def asked(module: str, task: Mapping[str, Any]) -> dict[str, Any]:
    """What `python -m module` answers to a task, both in JSON.

    Raises:
        ExportError: it refused or broke off; the text is its own last word.
    """
    done = subprocess.run(
        [sys.executable, "-m", module], input=json.dumps(task), capture_output=True, text=True,
        encoding="utf-8", errors="replace", env={**os.environ, **QUIET}, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise ExportError(f"{module} broke off: {lines[-1] if lines else done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if "refused" in answer:
        raise ExportError(answer["refused"])
    return answer
