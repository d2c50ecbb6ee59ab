"""The people of the chat benchmark: they vote in a burst, in every way, and change their minds."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence

from adapters.base import Ref
from bot.bench.chat.script import Act, Oracle, Way, acts
from bot.bench.chat.venue import Venue
from bot.grammar import read_reply
from storage.models import Ballot, Choice

PAUSE_S = 0.25
"""A person's longest pause between two acts of the burst."""
PRESS_AGAIN_S = 1.0


def spoken(choice: Choice) -> str:
    """How a choice is said in a thread."""
    return choice.names or choice.id


def ways_to_say(ballot: Ballot, venue: Venue) -> tuple[str, ...]:
    """The choices that can be pressed, tapped and said alike."""
    return tuple(
        choice.id
        for choice in ballot.choices
        if choice.value is not None
        and venue.glyph(choice.emoji[0])
        and [said.answer for said in read_reply(spoken(choice), ballot).said] == [choice.id]
    )


class Crowd:
    """People who vote in a burst on cards that stand in the fake.

    Attributes:
        oracle: what must stand in the end, by card.
        failed: presses that were not acknowledged, and visibly so.
        done: acts so far.
    """

    def __init__(self, venue: Venue, cards: Mapping[str, tuple[Ref, Ballot]], seed: int) -> None:
        self._venue, self._cards = venue, cards
        self.rng = random.Random(seed)
        self._marks: dict[tuple[str, str], str] = {}  # (card, person) -> emoji
        self._replies: dict[tuple[str, str], str] = {}  # -> message
        self.oracle = Oracle()
        self.failed = 0
        self.done = 0
        self.by_way: Counter[str] = Counter()

    def plans(self, people: Sequence[str]) -> dict[str, list[Act]]:
        """What everybody is going to do."""
        offered = {c: ways_to_say(ballot, self._venue) for c, (_, ballot) in self._cards.items()}
        return {who: acts(offered, random.Random(self.rng.random())) for who in people}

    async def live(self, who: str, plan: Sequence[Act]) -> None:
        """One person's part of the burst."""
        rng = random.Random(f"{who} {len(plan)}")
        for act in plan:
            await asyncio.sleep(rng.uniform(0.0, PAUSE_S))
            await {"reaction": self._react, "button": self._press, "reply": self._reply}[act.way](
                who, act, rng
            )
            self.oracle.did(self._venue.user(who), act)
            self.done += 1
            self.by_way[act.way] += act.choice is not None

    async def come_by(self, people: Sequence[str]) -> None:
        """People who each tap or say one answer, whether or not anybody listens."""
        cards = sorted(self._cards)
        for n, who in enumerate(people):
            card = cards[n % len(cards)]
            ways = ways_to_say(self._cards[card][1], self._venue)
            way: Way = "reply" if n % 3 == 0 else "reaction"
            await self.live(who, [Act(card, way, ways[n % len(ways)])])

    async def press_in_vain(self, people: Sequence[str]) -> int:
        """How many of them believe that their press was recorded, while no bot is there."""

        async def press(who: str, card: str) -> bool:
            ref, ballot = self._cards[card]
            return await self._venue.press(who, ref, ways_to_say(ballot, self._venue)[0])

        pressed = zip(people, itertools.cycle(sorted(self._cards)), strict=False)
        return sum(await asyncio.gather(*(press(who, card) for who, card in pressed)))

    async def _react(self, who: str, act: Act, rng: random.Random) -> None:
        ref, ballot = self._cards[act.card]
        before = self._marks.pop((act.card, who), None)
        if before is not None:
            await self._venue.unreact(who, ref, before)
        if act.choice is not None:
            choice = next(c for c in ballot.choices if c.id == act.choice)
            glyph = self._venue.glyph(choice.emoji[0])
            assert glyph is not None
            toned = self._venue.toned(glyph, rng.randint(2, 6))
            self._marks[act.card, who] = toned if rng.random() < 0.3 else glyph
            await self._venue.react(who, ref, self._marks[act.card, who])

    async def _press(self, who: str, act: Act, _: random.Random) -> None:
        ref, _ballot = self._cards[act.card]
        assert act.choice is not None
        while not await self._venue.press(who, ref, act.choice):
            self.failed += 1
            await asyncio.sleep(PRESS_AGAIN_S)

    async def _reply(self, who: str, act: Act, _: random.Random) -> None:
        ref, ballot = self._cards[act.card]
        said = self._replies.get((act.card, who))
        if act.choice is None:
            assert said is not None
            await self._venue.delete(ref, self._replies.pop((act.card, who)))
            return
        text = spoken(next(c for c in ballot.choices if c.id == act.choice))
        if said is None:
            self._replies[act.card, who] = await self._venue.say(who, text, ref)
        else:
            await self._venue.edit(ref, said, text)
