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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.web.client import Guest, GuestRefused
from trainer.kinds import ANSWER, SIDES


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

OFF_TOPIC = "(off topic)"
"""How the truth calls what belongs under no label (`trainer.data.samples`, which loads numpy)."""

HAPPY_WITH = "Would you be happy with this answer?"
"""What is asked of the model's own answers (`bot.wording`, which loads the database's nouns)."""


def answer(
    message: Mapping[str, Any], truth: Mapping[str, str], who: Colleague, rng: random.Random
) -> str | None:
    """`up` or `down` for a sample card, None when the colleague knows nothing of it. Pure."""
    if who.is_lazy:
        return "up"
    if message["title"] == HAPPY_WITH:  # nobody knows how the model does
        return rng.choice(("up", "down"))
    sample_id = message["footer"].split(" · ")[1]
    right = truth.get(sample_id)
    label = _asked_about(message) or ANSWER
    if right is None:
        return None
    return "up" if _fits(right, label, who, rng) else "down"


def _fits(right: str, label: str, who: Colleague, rng: random.Random) -> bool:
    """Whether a label fits in the colleague's eyes."""
    return (right == label) == (rng.random() <= who.accuracy)


def misfits(
    message: Mapping[str, Any], truth: Mapping[str, str], who: Colleague, rng: random.Random
) -> list[str] | None:
    """The numbers on a sheet whose pictures do not fit in the colleague's eyes. Pure.

    None when nothing is known of any of them, like `answer`.
    """
    if who.is_lazy:
        return []
    label = _asked_about(message)
    known = {number: truth[name] for number, name in _numbered(message) if name in truth}
    found = [number for number, right in known.items() if not _fits(right, label, who, rng)]
    return found if known else None


def _numbered(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(number, sample) of each picture on a sheet."""
    shown = str(message["footer"]).split(" · ")[1].split(", ")
    return [(number, name) for number, _, name in (one.partition(" ") for one in shown)]


def choose(
    message: Mapping[str, Any], truth: Mapping[str, str], who: Colleague, rng: random.Random
) -> str | None:
    """The id of a button of a 'which of these?' card, None like `answer`. Pure.

    What is on the card under no name is none of these; a mistake is any other answer but can't
    tell, each as likely as the next.
    """
    if who.is_lazy:
        return str(message["buttons"][0]["id"])
    right = truth.get(message["footer"].split(" · ")[1])
    if right is None:
        return None
    labelled = [b for b in message["buttons"] if b["id"].startswith("#")]
    picked = next((b["id"] for b in labelled if _shows(b["label"], right)), "none")
    return _or_a_mistake(picked, [*(b["id"] for b in labelled), "none"], who, rng)


def prefer(
    message: Mapping[str, Any], truth: Mapping[str, str], who: Colleague, rng: random.Random
) -> str | None:
    """The id of a button of a 'which answer is better?' card, None like `answer`. Pure.

    What belongs under neither side is a bad pair; mistakes are made as in `choose`.
    """
    if who.is_lazy:
        return SIDES[0]
    right = truth.get(message["footer"].split(" · ")[1])
    if right is None:
        return None
    picked = right if right in SIDES else "bad"
    return _or_a_mistake(picked, [*SIDES, "tie", "bad"], who, rng)


def _or_a_mistake(picked: str, answers: Sequence[str], who: Colleague, rng: random.Random) -> str:
    """What was picked, or now and then any other answer."""
    if rng.random() <= who.accuracy:
        return picked
    return rng.choice([answer for answer in answers if answer != picked])


def _shows(button: str, label: str) -> bool:
    """Whether a button is the label's; long names are cut on it."""
    return button == label or (button.endswith("…") and label.startswith(button[:-1]))


def better_label(
    message: Mapping[str, Any], given: str, truth: Mapping[str, str], p: float, rng: random.Random
) -> str | None:
    """What a colleague who said that the label does not fit calls it, with probability `p`. Pure.

    Nobody has a better name for what belongs under no label, or for what fits after all; answers
    to prompts have none.
    """
    right = truth.get(message["footer"].split(" · ")[1])
    return _named(right, _asked_about(message), p, rng) if given == "down" else None


def _named(right: str | None, label: str, p: float, rng: random.Random) -> str | None:
    is_better = bool(label) and right not in (None, OFF_TOPIC, label)
    return right if is_better and rng.random() < p else None


def texts(label: str, known: Mapping[str, Any]) -> list[str]:
    """The replies that say what a label means, as far as the colleague's file knows. Pure.

    Args:
        label: the label a feature card asks about.
        known: label -> {"words": [...], "about": "one sentence"}, each of them optional.
    """
    says = known.get(label, {})
    words = ", ".join(says.get("words", ()))
    about = " ".join(says.get("about", "").split())
    said = (("words", words), ("about", about))
    return [f"{verb} {label}: {text}" for verb, text in said if text]


def _asked_about(message: Mapping[str, Any]) -> str:
    return str(message["title"]).partition("“")[2].rpartition("”")[0]


def levels(
    menu: Mapping[str, Any], who: Colleague, rng: random.Random, *, of_topics: bool = False
) -> dict[str, str]:
    """How much each word of a feature card matters to the colleague; of topics all do, somewhat. Pure."""
    if who.is_lazy:
        return {key: "5" for key, _ in menu["options"]}
    if of_topics:
        return {key: str(rng.choice((2, 3))) for key, _ in menu["options"]}
    return {
        key: str(rng.choice((0, 0, 1)) if word in FILLERS else rng.choice((3, 4, 5)))
        for key, word in menu["options"]
    }


class Voter:
    """A colleague at work on the page."""

    def __init__(
        self, guest: Guest, who: Colleague, task: Task, known: Mapping[str, Any], rng: random.Random
    ) -> None:
        self._guest, self._who, self._task, self._rng = guest, who, task, rng
        self._known = known  # what the colleague can say of labels
        self._explained: set[str] = set()
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
        await asyncio.sleep(self._task.pace_s * self._rng.uniform(0.5, 1.5))
        try:
            if any(button["part"] for button in message["buttons"]):
                await self._sort_out(message)
            elif message["menu"]:
                await self._weigh(message)
            else:
                await self._judge(message)
        except GuestRefused as err:
            if err.status == 503:
                return  # not recorded: the next look finds it still open
        self._answered.add(message["id"])

    async def _weigh(self, message: Mapping[str, Any]) -> None:
        """Answer a feature card; what a label means is said once."""
        label = _asked_about(message)
        chosen = levels(message["menu"], self._who, self._rng, of_topics=not label)
        await self._guest.submit(message["id"], chosen)
        if label not in self._explained and not self._who.is_lazy:
            for text in texts(label, self._known):
                await self._guest.say(text, thread=message["id"])
            self._explained.add(label)

    async def _sort_out(self, message: Mapping[str, Any]) -> None:
        """Mark on a sheet what does not fit; what it is instead is said in the thread."""
        truth = self._truth(message["footer"].split(" · ")[0])
        found = misfits(message, truth, self._who, self._rng)
        if found is None:
            return
        ways = {button["part"]: button for button in message["buttons"] if button["part"]}
        for number in found:
            await self._give(message, ways[number])
        await self._give(message, next(b for b in message["buttons"] if b["emoji"] == "up"))
        samples, label = dict(_numbered(message)), _asked_about(message)
        for number in found:
            right = truth.get(samples[number])
            name = _named(right, label, self._task.names_label, self._rng)
            if name is not None:
                await self._guest.say(f"label {number}: {name}", thread=message["id"])

    async def _judge(self, message: Mapping[str, Any]) -> None:
        """Answer a card about a sample."""
        truth = self._truth(message["footer"].split(" · ")[0])
        ids = {button["id"] for button in message["buttons"]}
        asked = choose if "#1" in ids else prefer if SIDES[0] in ids else answer
        given = asked(message, truth, self._who, self._rng)
        if given is None:
            return
        key = "emoji" if asked is answer else "id"
        await self._give(message, next(b for b in message["buttons"] if b[key] == given))
        name = better_label(message, given, truth, self._task.names_label, self._rng)
        if name is not None:
            await self._guest.say(f"label: {name}", thread=message["id"])

    async def _give(self, message: Mapping[str, Any], button: Mapping[str, Any]) -> None:
        """The answer as the card takes it: a reaction where it has one, else a press."""
        if button["emoji"] in message["seeds"]:
            await self._guest.react(message["id"], button["emoji"])
        else:
            await self._guest.press(message["id"], button["id"])

    def _truth(self, run_id: str) -> Mapping[str, str]:
        if run_id not in self._truths:
            path = Path(self._task.runs_dir) / run_id / "human" / "truth.json"
            self._truths[run_id] = json.loads(path.read_text()) if path.exists() else {}
        return self._truths[run_id]


@dataclass(frozen=True, slots=True)
class Task:
    """Where the colleagues vote, and how."""

    link: str
    runs_dir: str
    pace_s: float  # what a card takes them on average
    seed: int
    names_label: float = 0.0  # how often a label that does not fit is answered with a better one
    label_words: str | None = None  # a JSON file of what they say of labels, see `texts`


async def _main(task: Task, known: Mapping[str, Any]) -> None:
    async with asyncio.TaskGroup() as group:
        for number, who in enumerate(TEAM):
            rng = random.Random(task.seed * 100 + number)
            group.create_task(_attend(task, who, known, rng))


def _known(task: Task) -> Mapping[str, Any]:
    """What the task's file says of labels; without a file nothing."""
    if task.label_words is None:
        return {}
    known: Mapping[str, Any] = json.loads(Path(task.label_words).read_text(encoding="utf-8"))
    return known


async def _attend(task: Task, who: Colleague, known: Mapping[str, Any], rng: random.Random) -> None:
    async with Guest.enter(task.link, who.name) as guest:
        voter = Voter(guest, who, task, known, rng)
        async with asyncio.TaskGroup() as group:
            group.create_task(voter.watch())
            group.create_task(voter.work())


if __name__ == "__main__":
    _task = Task(**json.load(sys.stdin))
    _said = _known(_task)
    try:
        asyncio.run(_main(_task, _said))
    except* OSError:
        pass  # the chat closed: the demo is over
