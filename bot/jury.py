"""Simulated colleagues: they vote through the web chat like anybody else, in their own process.

`python -m bot.jury` reads a `Task` as JSON from its standard input (the link is a secret, and
arguments are seen by everybody on the machine), comes in, reads the cards as people see them and
answers by the truth that simulations write beside a run. Nothing else reads that truth.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.web.client import Guest, GuestRefused


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who is right with probability `accuracy`, or does not even look."""

    name: str
    accuracy: float
    is_lazy: bool = False


TEAM = (Colleague("Ada", 0.9), Colleague("Grace", 0.9), Colleague("Linus", 0.9, is_lazy=True))
"""Three colleagues of accuracy .9, one of them lazy: he says yes to everything."""

FILLERS = frozenset((
    "the", "and", "for", "with", "from", "that", "this", "into", "not", "are", "has", "have",
    "its", "any", "all", "can", "will", "when", "then", "than", "given", "used", "use", "using",
    "return", "returns", "object", "objects", "self", "args", "default", "optional", "see",
    "value", "values", "new",
))  # fmt: skip
"""Words no careful person would call important."""


def answer(
    message: Mapping[str, Any], truth: Mapping[str, str], who: Colleague, rng: random.Random
) -> str | None:
    """`up` or `down` for a sample card, None when the colleague knows nothing of it. Pure."""
    if who.is_lazy:
        return "up"
    sample_id = message["footer"].split(" · ")[1]
    right = truth.get(sample_id)
    label = message["title"].partition("“")[2].rpartition("”")[0]
    if right is None or not label:
        return None
    fits = right == label
    if rng.random() > who.accuracy:
        fits = not fits
    return "up" if fits else "down"


def levels(menu: Mapping[str, Any], who: Colleague, rng: random.Random) -> dict[str, str]:
    """How much each word of a feature card matters to the colleague. Pure."""
    if who.is_lazy:
        return {key: "5" for key, _ in menu["options"]}
    return {
        key: str(rng.choice((0, 0, 1)) if word in FILLERS else rng.choice((3, 4, 5)))
        for key, word in menu["options"]
    }


class Voter:
    """A colleague at work on the page."""

    def __init__(
        self, guest: Guest, who: Colleague, runs: Path, pace_s: float, rng: random.Random
    ) -> None:
        self._guest, self._who, self._runs = guest, who, runs
        self._pace_s, self._rng = pace_s, rng
        self._truths: dict[str, dict[str, str]] = {}
        self._open: dict[int, Mapping[str, Any]] = {}
        self._answered: set[int] = set()
        self._changed = asyncio.Event()

    async def watch(self) -> None:
        """Keep up with the page, for ever."""
        for message in await self._guest.messages(limit=200):
            self._see(message)
        async for update in self._guest.updates():
            if update.kind == "message":
                self._see(update.data)

    def _see(self, message: Mapping[str, Any]) -> None:
        if message["is_asking"]:
            self._open[message["id"]] = message
        else:
            self._open.pop(message["id"], None)
        self._changed.set()

    async def work(self) -> None:
        """Answer one open card after the other, for ever."""
        while True:
            todo = [i for i in sorted(self._open) if i not in self._answered]
            if todo:
                await self._vote(self._open[todo[0]])
            else:
                self._changed.clear()
                await self._changed.wait()

    async def _vote(self, message: Mapping[str, Any]) -> None:
        await asyncio.sleep(self._pace_s * self._rng.uniform(0.5, 1.5))
        try:
            if message["menu"]:
                chosen = levels(message["menu"], self._who, self._rng)
                await self._guest.submit(message["id"], chosen)
            else:
                truth = self._truth(message["footer"].split(" · ")[0])
                emoji = answer(message, truth, self._who, self._rng)
                if emoji is not None:
                    await self._guest.react(message["id"], emoji)
        except GuestRefused as err:
            if err.status == 503:
                return  # not recorded: the next look finds it still open
        self._answered.add(message["id"])

    def _truth(self, run_id: str) -> Mapping[str, str]:
        if run_id not in self._truths:
            path = self._runs / run_id / "human" / "truth.json"
            self._truths[run_id] = json.loads(path.read_text()) if path.exists() else {}
        return self._truths[run_id]


@dataclass(frozen=True, slots=True)
class Task:
    """Where the colleagues vote, and how."""

    link: str
    runs_dir: str
    pace_s: float  # what a card takes them on average
    seed: int


async def _main(task: Task) -> None:
    async with asyncio.TaskGroup() as group:
        for number, who in enumerate(TEAM):
            rng = random.Random(task.seed * 100 + number)
            group.create_task(_attend(task, who, rng))


async def _attend(task: Task, who: Colleague, rng: random.Random) -> None:
    async with Guest.enter(task.link, who.name) as guest:
        voter = Voter(guest, who, Path(task.runs_dir), task.pace_s, rng)
        async with asyncio.TaskGroup() as group:
            group.create_task(voter.watch())
            group.create_task(voter.work())


if __name__ == "__main__":
    try:
        asyncio.run(_main(Task(**json.load(sys.stdin))))
    except* OSError:
        pass  # the chat closed: the demo is over
