"""`joulery forget`: what an administrator does for people who ask for it elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from adapters.web.platform import WebChat
from bot import serving
from bot.cli.base import app, out, settings_of
from bot.members import pseudonym
from storage.database import StoreError
from storage.store.store import Store


@app.command()
def forget(
    member: Annotated[str, typer.Argument(help="an account, such as slack:U0123 or web:ana")],
) -> None:
    """Remove a person's name and accounts from the database; their votes stay, as somebody's."""
    settings = settings_of(None)
    store = Store.open(settings.database)
    known = {*store.votes.members(), *(who for who, _, _ in store.upkeep.commands())}
    known |= _voters(store)  # whose votes came from a file are no members
    if member not in known:
        raise StoreError(
            f"nobody called {member} is known; an id is such as slack:U0123 or web:ana"
        )
    store.members.ask_to_leave(member, datetime.now(UTC))
    members = store.votes.members()
    person = members[member].person_id
    if store.members.is_needed(person):
        out.print(
            "They answered cards that are still open, or mail of theirs is under way: the bot "
            "does it by itself once that is over."
        )
        return
    on_page = [m for m in members if m.startswith("web:") and members[m].person_id == person]
    if on_page:
        asyncio.run(_leave_page(serving.web_chat(settings), on_page))
    store.members.forget(person, pseudonym)
    out.print("Done: they are forgotten, and their votes count as before.")


def _voters(store: Store) -> set[str]:
    """All who ever voted."""
    ballots = [b.ballot_id for r in store.runs.all() for b in store.votes.ballots(run_id=r.run_id)]
    return {event.voter for event in store.votes.events_on(ballots)}


async def _leave_page(chat: WebChat, accounts: Sequence[str]) -> None:
    for account in accounts:
        await chat.forget(account, pseudonym())
    await chat.close()
