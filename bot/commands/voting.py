"""The verbs about votes: why a sample is where it is, who voted, what one's own are worth, undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot import plot, standing, undo, why
from bot.commands.asked import Asked, Desk, Do, Shown
from bot.commands.grammar import CommandError, is_run, somebody_else
from storage.models import Run

HOW_MUCH: Final[Mapping[str, undo.What]] = {"card": "card", "all": "all"}


async def tell_why(desk: Desk, asked: Asked) -> str:
    """Why a sample is kept or set aside."""
    run = _run(asked)
    name = next((n for n in asked.command.names if not is_run(n)), "")
    number = name.removeprefix("#")
    is_number = asked.ballot_id is not None and number.isascii() and number.isdigit()
    try:
        return await why.about_sample(
            desk.house, run, None if is_number or not name else name, asked.ballot_id,
            number if is_number else "",
        )  # fmt: skip
    except why.WhyError as err:
        raise CommandError(str(err)) from err


async def tell_votes(desk: Desk, asked: Asked) -> str:
    """Who voted how often, and how far people agree."""
    return await standing.about_votes(desk.house, _run(asked))


async def tell_me(desk: Desk, asked: Asked) -> str:
    """What somebody's own votes are worth."""
    return await standing.about_me(desk.house, _run(asked), asked.user)


async def take_back(desk: Desk, asked: Asked) -> str:
    """Take one's own votes back, or, as an admin, somebody's."""
    run, user, command = _run(asked), asked.user, asked.command
    other = somebody_else(command, user)
    said = [n for n in command.names if not is_run(n) and n not in (other, user)]
    unknown = next((n for n in said if n.lower() not in HOW_MUCH), None)
    if unknown is not None:
        raise CommandError(
            f"I don't know what “{unknown[:30]}” means there; say undo, undo card or undo all"
        )
    what: undo.What = "all" if other else HOW_MUCH[said[0].lower()] if said else "last"
    if what == "last" and asked.ballot_id is not None:
        what = "card"  # said in its thread
    house = desk.house
    try:
        back = await undo.take_back(
            house,
            desk.rounds,
            run,
            other or user,
            what,
            None if what == "all" else asked.ballot_id,
            asked.key,
        )
    except undo.UndoError as err:
        raise CommandError(str(err)) from err
    if other is not None:
        await house.office.queue(*undo.told(house, run, other, user, back))
    return undo.said(back, of=other)


async def draw(desk: Desk, asked: Asked) -> Shown:
    """The metric over energy, as a picture."""
    run = _run(asked)
    try:
        text, picture = await plot.plot(desk.house, run)
    except plot.PlotError as err:
        raise CommandError(str(err)) from err
    return Shown(text, run.run_id, (picture,))


def _run(asked: Asked) -> Run:
    if asked.found is None:
        raise CommandError("there are no runs yet; say start SPEC")
    return asked.found


DOES: Final[Mapping[str, Do]] = {
    "why": tell_why,
    "votes": tell_votes,
    "me": tell_me,
    "undo": take_back,
    "plot": draw,
}
