"""A person's own page: the team's runs, and what they answered themselves."""

from __future__ import annotations

import logging

from adapters.base import ChatError, HasHome, Home, HomeSection
from bot import words
from bot.answered import answer_said, shown_on
from bot.house import House
from bot.members import accounts_of
from bot.standing import told_alone
from storage.models import Ballot, Run, Vote

log = logging.getLogger(__name__)

RUNS, VOTES = 8, 20
"""How many of the newest are shown."""


async def show_home(house: House, user: str) -> None:
    """Draw somebody's page, on a platform that has one; nobody waits for it."""
    platform = house.office.platforms.get(user.partition(":")[0])
    if not isinstance(platform, HasHome):
        return
    home = await house.call(_home, house, user)
    try:
        await platform.show_home(user, home)
    except ChatError as err:
        log.warning("home not drawn", extra={"reason": str(err)})


def _home(house: House, user: str) -> Home:
    runs = house.store.runs.all()[-RUNS:][::-1]
    ballots = {b.ballot_id: b for run in runs for b in house.store.votes.ballots(run_id=run.run_id)}
    accounts = accounts_of(user, house.store.votes.members())
    mine = [vote for vote in house.store.votes.current(list(ballots)) if vote.voter in accounts]
    newest = sorted(mine, key=lambda vote: vote.at, reverse=True)
    about = {ballots[vote.ballot_id].run_id for vote in newest[:1]}
    worth = [told_alone(house, run, user) for run in runs if run.run_id in about]
    return page(runs, [(vote, ballots[vote.ballot_id]) for vote in newest], "".join(worth))


def page(runs: list[Run], votes: list[tuple[Vote, Ballot]], worth: str = "") -> Home:
    """The page of somebody who gave these answers, newest first.

    Args:
        runs: the team's, newest first.
        votes: the person's own, each with what was asked.
        worth: what is said of these votes, for nobody else; empty where nothing is.
    """
    told = (HomeSection(title="What your votes are worth", lines=tuple(worth.splitlines())),)
    return Home(
        title="Joulery",
        sections=(
            HomeSection(
                title="The team's runs",
                lines=tuple(_run(run) for run in runs) or ("None yet. Say: /joulery start SPEC",),
            ),
            HomeSection(
                title=f"What you said: {words.plural(len(votes), 'vote')}",
                lines=tuple(_vote(vote, ballot) for vote, ballot in votes[:VOTES])
                or ("Nothing yet. Cards come while a run asks.",),
            ),
            *(told if worth else ()),
        ),
    )


def _run(run: Run) -> str:
    return f"{run.run_id} {run.name}: {run.state}{f', {run.reason}' if run.reason else ''}"


def _vote(vote: Vote, ballot: Ballot) -> str:
    said, about = answer_said(ballot, vote.subject, vote.answer), shown_on(ballot, vote.subject)
    return f"{ballot.run_id} · {about}: {said}"
