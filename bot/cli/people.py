"""`joulery forget`: what an administrator does for people who ask for it elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.cli.base import app, out, settings_of
from bot.members import pseudonym
from storage.database import StoreError


@app.command()
def forget(
    member: Annotated[str, typer.Argument(help="an account, such as slack:U0123 or web:ana")],
) -> None:
    """Remove a person's name and accounts from the database; their votes stay, as somebody's."""
    from storage.store.store import Store

    store = Store.open(settings_of(None).database)
    known = {*store.votes.members(), *(who for who, _, _ in store.upkeep.commands())}
    if member not in known:
        raise StoreError(
            f"nobody called {member} is known; an id is such as slack:U0123 or web:ana"
        )
    store.members.ask_to_leave(member, datetime.now(UTC))
    if store.members.forget(store.votes.members()[member].person_id, pseudonym):
        out.print("Done: they are forgotten, and their votes count as before.")
    else:
        out.print(
            "They answered cards that are still open, or mail of theirs is under way: the bot "
            "does it by itself once that is over."
        )
