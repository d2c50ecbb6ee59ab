"""Who takes part in the live studies of a data folder, since when, and in which runs.

One file that only grows: `study/roster.jsonl`. Its seed draws everybody's condition, so a person
keeps theirs over restarts and runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from bot.settings import SettingsError

CONSENT = Path(__file__).with_name("consent.txt")


def consent_text() -> tuple[str, ...]:
    """What participants are told first, a paragraph each."""
    return tuple(filter(None, CONSENT.read_text(encoding="utf-8").splitlines()))


class Roster:
    """The participants and runs of a data folder.

    Args:
        path: of the file.
        seed: draws conditions, where the file does not say one yet.
        text: what participants agree to; who agreed to another text is asked again.

    Raises:
        SettingsError: the file cannot be read or written.
    """

    def __init__(self, path: Path, seed: int, text: Sequence[str]) -> None:
        self._path = path
        self._text = sha256("\n".join(text).encode()).hexdigest()
        lines = self._read()
        self.seed = next((line["seed"] for line in lines if "seed" in line), seed)
        self.runs = {line["run"] for line in lines if "run" in line}
        self.voters = {
            line["voter"] for line in lines if "voter" in line and line["text"] == self._text
        }

    @classmethod
    def of(cls, data_dir: Path, seed: int = 0) -> Roster:
        """The roster of a data folder."""
        return cls(data_dir / "study" / "roster.jsonl", seed, consent_text())

    def agree(self, voter: str, now: datetime) -> None:
        """Somebody has read the text and takes part."""
        if voter not in self.voters:
            self._add({"voter": voter, "at": now.isoformat(), "text": self._text})
            self.voters.add(voter)

    def began(self, run_id: str) -> None:
        """A run is part of the study."""
        if run_id not in self.runs:
            self._add({"run": run_id})
            self.runs.add(run_id)

    def _read(self) -> list[dict[str, Any]]:
        try:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            return [json.loads(line) for line in text.splitlines()]
        except (OSError, ValueError) as err:
            raise SettingsError(
                f"{self._path} cannot be read as a study's roster: {err}; repair it, or set "
                "JOULERY_DATA_DIR to another folder"
            ) from err

    def _add(self, line: dict[str, Any]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            first = [] if self._path.exists() else [{"seed": self.seed}]
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(one) + "\n" for one in (*first, line))
        except OSError as err:
            raise SettingsError(
                f"cannot write {self._path}: {err.strerror}; free some room, or set "
                "JOULERY_DATA_DIR to another folder"
            ) from err
