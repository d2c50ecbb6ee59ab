"""The people of the month: they answer cards over days, by day, in every way, and change their minds.

In every second round somebody leaves a card alone, so that its deadline closes it; nobody answers in
the last part of a round, so that what counts is never a matter of moments.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters.base import Ref
from bot.bench.chat.crowd import spoken, ways_to_say
from bot.bench.chat.script import SHARES, Act, Oracle, Way
from bot.bench.chat.venue import Venue
from bot.bench.month.clock import Pace
from storage.models import Ballot, Round

FIRST, LAST = 0.03, 0.55
"""When people answer, in parts of a round's time: all before anybody is reminded."""
TOO_LATE = 0.85
"""In parts of it: whoever is held up until then lets it be."""
SHARE_CHANGED = 0.1
PRESS_AGAIN_S = 0.3


@dataclass(frozen=True, slots=True)
class Planned:
    """An act and its moment."""

    at: datetime
    who: str
    act: Act


def plan(
    round_: Round, offered: Mapping[str, Sequence[str]], people: Sequence[str], lazy: str | None,
    rng: random.Random,
) -> list[Planned]:  # fmt: skip
    """What people will do in a round, in order of time.

    Args:
        round_: gives the time.
        offered: card -> the choices that can be given in every way.
        people: everybody.
        lazy: who leaves the last card alone and changes no mind; with nobody lazy nobody changes theirs,
            as the last answer closes the round.
        rng: decides.
    """
    length = round_.closes_at - round_.opened_at
    found = []
    for who in people:
        cards = rng.sample(sorted(offered), len(offered))
        for card in cards[:-1] if who == lazy else cards:
            way: Way = rng.choices(list(SHARES), list(SHARES.values()))[0]
            at = round_.opened_at + rng.uniform(FIRST, LAST) * length
            found.append(Planned(at, who, Act(card, way, rng.choice(offered[card]))))
            if lazy is not None and rng.random() < SHARE_CHANGED:
                later = at + rng.uniform(0.0, 0.05) * length
                found.append(Planned(later, who, Act(card, way, rng.choice(offered[card]))))
    return sorted(found, key=lambda one: one.at)


class People:
    """Everybody, at work.

    Attributes:
        oracle: what must stand in the end.
        acts: how many there were.
        lazy: round -> who left a card alone.
    """

    def __init__(self, venue: Venue, pace: Pace, people: Sequence[str], seed: int) -> None:
        self._venue, self._pace, self._people = venue, pace, people
        self._rng = random.Random(seed)
        self._marks: dict[tuple[str, str], str] = {}
        self._replies: dict[tuple[str, str], str] = {}
        self.oracle = Oracle()
        self.acts = self.refused = 0
        self.lazy: dict[str, str] = {}

    async def answer(self, round_: Round, cards: Mapping[str, tuple[Ref, Ballot]]) -> None:
        """Live through a round."""
        n = len(self.lazy)
        lazy = self._people[n % len(self._people)] if round_.n % 2 == 0 else None
        if lazy is not None:
            self.lazy[round_.round_id] = lazy
        offered = {card: ways_to_say(ballot, self._venue) for card, (_, ballot) in cards.items()}
        for one in plan(round_, offered, self._people, lazy, self._rng):
            await asyncio.sleep(max(0.0, self._pace.wall_s(one.at - self._pace.now())))
            if self._pace.now() < round_.opened_at + TOO_LATE * (
                round_.closes_at - round_.opened_at
            ):
                await self._do(one.who, one.act, *cards[one.act.card])

    async def _do(self, who: str, act: Act, ref: Ref, ballot: Ballot) -> None:
        choice = next(c for c in ballot.choices if c.id == act.choice)
        place = (act.card, who)
        if act.way == "button":
            while not await self._venue.press(who, ref, choice.id):
                self.refused += 1
                await asyncio.sleep(PRESS_AGAIN_S)
        elif act.way == "reaction":
            glyph = self._venue.glyph(choice.emoji[0])
            assert glyph is not None
            if (before := self._marks.pop(place, None)) is not None:
                await self._venue.unreact(who, ref, before)
            await self._venue.react(who, ref, glyph)
            self._marks[place] = glyph
        elif place in self._replies:
            await self._venue.edit(ref, self._replies[place], spoken(choice))
        else:
            self._replies[place] = await self._venue.say(who, spoken(choice), ref)
        self.oracle.did(self._venue.user(who), act)
        self.acts += 1
