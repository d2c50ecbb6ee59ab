"""What a group of rows is: its cells, and from their results its figures, gates and tables.

A new group is a module with a class like this and a line in `bot.bench.tasks.suite.GROUPS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bot.bench.figures import Figure
from trainer.launch import LocalLauncher

Row = dict[str, Any]
"""The result of one cell, under `cell` its name."""
Table = list[tuple[str, ...]]
"""A heading, then rows of words."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all groups are measured in.

    Attributes:
        source: folder of public data sets.
        folder: where rows, pools and sheets lie.
        seeds: of the pools.
        is_quick: fewer arms, smaller pools.
    """

    source: Path
    folder: Path
    seeds: tuple[int, ...]
    is_quick: bool = False

    @property
    def pools(self) -> Path:
        """Where cooked pools lie."""
        return self.folder / "pools"


@dataclass(frozen=True, slots=True)
class Section:
    """What a group has to say, in the order it is read.

    Attributes:
        void: what makes its figures prove nothing, in sentences.
        figures: measured beside wanted.
        tables: every seed.
        notes: what else should be known, in sentences.
    """

    void: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()


class Group(Protocol):
    """Some rows of the benchmark."""

    name: str
    """First word of its cells' names."""

    def missing(self) -> str | None:
        """Why it cannot be measured here; None where it can."""

    def names(self) -> list[str]:
        """Names of its cells."""

    async def prepare(self, keys: Sequence[str]) -> None:
        """Make what these cells need."""

    async def carry_out(self, key: str, launcher: LocalLauncher) -> Row:
        """The result of one cell."""

    def section(self, rows: Sequence[Row]) -> Section:
        """What the results come to. Pure."""


def not_there(setting: Setting, *paths: str) -> str | None:
    """Which of some files of the public data sets are missing, as a sentence; None where all are."""
    lacking = [path for path in paths if not (setting.source / path).is_file()]
    if not lacking:
        return None
    return f"{' and '.join(lacking)} not found in {setting.source}; give --data FOLDER"
