"""What is simulated: which people, how many votes, asked when, on which tasks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.bench.learning.cells import ASKED, AT_FIRST, Cell

PLAIN = ("control", "no_votes")
"""Arms nobody is asked for: what votes are held against, and what label names give for nothing."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Who votes, how much, and when.

    Attributes:
        raters: how many people share the votes.
        accuracy: how often each of them is right, in [.5, 1].
        votes: in all; a fifth of the cards is answered by two people.
        asked_when: one of `ASKED`.
    """

    raters: int = 5
    accuracy: float = 0.9
    votes: int = 100
    asked_when: str = AT_FIRST

    @property
    def team(self) -> str:
        """As `bot.bench.learning.team.team_of` reads it."""
        return f"{self.raters}x{self.accuracy:g}"

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Setting | None:
        """The setting a cell was carried out under; None where nobody was asked."""
        if row["arm"] != "human":
            return None
        raters, _, accuracy = row["team"].partition("x")
        return cls(int(raters), float(accuracy), row["votes"], row["asked_when"])


USUAL = Setting()
"""What stands for a task where one row is all there is room for."""

VOTES = (25, 50, 100, 200, 500, 1000)
ACCURACIES = (0.6, 0.7, 0.8, 0.9, 1.0)
RATERS = (1, 2, 10, 20)


def settings(*, is_quick: bool) -> tuple[Setting, ...]:
    """All settings of a task, the usual one first.

    The full grid crosses votes with accuracy, and people with accuracy; the quick one walks from
    the usual setting along one of them at a time.
    """
    later = [when for when in ASKED if when != AT_FIRST]
    if is_quick:
        found = [replace(USUAL, votes=v) for v in (25, 400)]
        found += [replace(USUAL, accuracy=a) for a in (0.6, 1.0)]
        found += [replace(USUAL, raters=r) for r in (1, 20)]
    else:
        found = [replace(USUAL, votes=v, accuracy=a) for v in VOTES for a in ACCURACIES]
        found += [replace(USUAL, raters=r, accuracy=a) for r in RATERS for a in (0.7, 0.9)]
        found += [replace(USUAL, votes=500, asked_when=when) for when in later]
    found += [replace(USUAL, asked_when=when) for when in later]
    return (USUAL, *(setting for setting in found if setting != USUAL))


@dataclass(frozen=True, slots=True)
class Grid:
    """All that is trained.

    Attributes:
        seeds: of the pools.
        is_quick: two tasks, pools of 1200, few settings.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    is_quick: bool = False

    @property
    def n(self) -> int:
        """Samples of a pool."""
        return 1200 if self.is_quick else 3000

    @property
    def tasks(self) -> tuple[str, ...]:
        """Kinds of dirt (`trainer.bench.recipes`); on a clean pool the audit ends the asking."""
        return ("mix", "clean") if self.is_quick else ("mix", "sys", "rand", "clean")

    def cells(self) -> list[Cell]:
        """All cells, the most telling first."""
        found = []
        for seed in self.seeds:
            for task in self.tasks:
                found += list(self._cells_of(task, seed))
        return found

    def _cells_of(self, task: str, seed: int) -> Iterable[Cell]:
        for arm in PLAIN:
            yield Cell(task, seed, self.n, arm)
        for one in (USUAL,) if task == "clean" else settings(is_quick=self.is_quick):
            when = one.asked_when
            yield Cell(task, seed, self.n, "human", one.team, one.votes, asked_when=when)
