"""Who voted how often, how far people agree, and, for one person alone, what their votes are worth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot import accounts, safety, words
from bot.energy.effort import People, people
from bot.house import House
from bot.members import SOMEBODY, accounts_of, shown_name
from bot.opinions import Heard, opinions
from storage.consensus import Reliability, Share
from storage.models import Ballot, Member, Round, RoundState, Run, Vote, VoteEvent

MOST = 20
"""People who are listed; a team is seldom larger."""


@dataclass(frozen=True, slots=True)
class Turnout:
    """What one person did in a run.

    Attributes:
        name: how they are called before others.
        cards: answered, by votes that stand.
        votes: that stand.
        took: what it took of them.
    """

    name: str
    cards: int
    votes: int
    took: People


# --- for all to see -----------------------------------------------------------------------------


async def about_votes(house: House, run: Run) -> str:
    """Who voted how often in a run, and how far they agree."""
    return await house.call(_about_votes, house, run)


def _about_votes(house: House, run: Run) -> str:
    store = house.store.votes
    ballots = store.ballots(run_id=run.run_id)
    members = store.members()
    found = turnouts(house, run, ballots, members)
    if not found:
        return f"Run {run.run_id} has no votes so far."
    asked = words.plural(len(ballots), "card")
    total = words.plural(sum(one.votes for one in found), "vote")
    head = (
        f"Run {run.run_id}: {total} by {words.plural(len(found), 'person', 'people')} on {asked}."
    )
    lines = [f"• {_turnout(one)}" for one in found[:MOST]]
    if len(found) > MOST:
        lines.append(f"• and {words.count(len(found) - MOST)} more")
    return "\n".join((head, *lines, *agreement(store.rounds(run.run_id))))


def turnouts(
    house: House, run: Run, ballots: Sequence[Ballot], members: Mapping[str, Member]
) -> list[Turnout]:
    """Everybody who has a vote that stands, most votes first; blocks while it is read."""
    store = house.store
    person_of = {m: known.person_id for m, known in members.items()}
    ids = [ballot.ballot_id for ballot in ballots]
    postings = store.mail.postings_on(ids)
    events: dict[str, list[VoteEvent]] = defaultdict(list)
    for event in store.votes.events_on(ids):
        events[person_of.get(event.voter, event.voter)].append(event)
    votes: dict[str, list[Vote]] = defaultdict(list)
    for vote in store.votes.current(ids):
        votes[vote.person].append(vote)
    found = [
        Turnout(
            shown_name(own[0].voter, members), len({v.ballot_id for v in own}), len(own),
            people(
                ballots, events[person], postings, person_of,
                assumed_s=house.settings.seconds_per_vote,
                machines=accounts.machines([run], members),
            ),
        )
        for person, own in votes.items()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.votes, one.name))


def _turnout(one: Turnout) -> str:
    said = f"{one.name}: {words.plural(one.cards, 'card')}, {words.plural(one.votes, 'vote')}"
    if one.name == SOMEBODY:  # how long they take is nobody's business
        return said
    if one.took.median_s is not None:
        return f"{said}, {words.duration(one.took.seconds)} in all, {one.took.median_s:.0f} s an answer"
    return f"{said}, time not measured"


def agreement(rounds: Sequence[Round]) -> list[str]:
    """How far people agreed in each round, 1 = always, 0 = as by chance."""
    told = []
    for round_ in rounds:
        alpha = (round_.outcome or {}).get("alpha")
        if round_.state is not RoundState.CLOSED:
            told.append(f"round {round_.n + 1} is open")
        elif alpha is not None:
            void = " (counts for nothing)" if (round_.outcome or {}).get(safety.OUTCOME) else ""
            told.append(f"round {round_.n + 1} {alpha:.2f}{void}")
        elif (round_.outcome or {}).get("votes"):
            told.append(f"round {round_.n + 1} cannot be told")
    if not told:
        return []
    return [f"Agreement α (1: always, 0: as by chance): {', '.join(told)}."]


# --- for one person alone -----------------------------------------------------------------------


async def about_me(house: House, run: Run, member_id: str) -> str:
    """What somebody's own votes in a run are worth; for them alone."""
    return await house.call(told_alone, house, run, member_id)


def told_alone(house: House, run: Run, member_id: str) -> str:
    """The same; blocks while it is read."""
    store = house.store.votes
    members = store.members()
    ballots = store.ballots(run_id=run.run_id)
    known = members.get(member_id)
    person = known.person_id if known else member_id
    votes = store.current([b.ballot_id for b in ballots])
    mine = [vote for vote in votes if vote.person == person]
    if not mine:
        return f"You have no votes in run {run.run_id}. Cards come while a run asks."
    cards = words.plural(len({v.ballot_id for v in mine}), "card")
    head = f"Run {run.run_id}: {words.plural(len(mine), 'vote')} of yours on {cards}"
    took = _took(house, run, ballots, members, accounts_of(member_id, members))
    time = "" if took.median_s is None else f", {took.median_s:.0f} s an answer"
    over = {r.round_id for r in store.rounds(run.run_id) if r.state is RoundState.CLOSED}
    closed = [ballot for ballot in ballots if ballot.round_id in over]
    ids = {ballot.ballot_id for ballot in closed}
    heard = opinions(closed, [vote for vote in votes if vote.ballot_id in ids])
    return "\n".join((f"{head}{time}. Only you see this.", *worth(heard, closed, mine, person)))


def _took(
    house: House,
    run: Run,
    ballots: Sequence[Ballot],
    members: Mapping[str, Member],
    mine: frozenset[str],
) -> People:
    store = house.store
    events = [e for e in store.votes.events_on([b.ballot_id for b in ballots]) if e.voter in mine]
    answered = {event.ballot_id for event in events}
    return people(
        ballots, events, store.mail.postings_on(sorted(answered)),
        {m: known.person_id for m, known in members.items()},
        assumed_s=house.settings.seconds_per_vote, machines=accounts.machines([run], members),
    )  # fmt: skip


def worth(heard: Heard, closed: Sequence[Ballot], mine: Sequence[Vote], person: str) -> list[str]:
    """What closed cards tell of somebody's votes; of open ones it would tell which are checks.

    Args:
        heard: what the votes on closed cards come to.
        closed: those cards.
        mine: the person's votes, on open cards, too.
        person: who.
    """
    found = heard.voters.get(person)
    lines = []
    if found is not None and found.gold[1]:
        right, asked = found.gold
        lines.append(f"• Checks, whose answer was known: {right} of {asked} right.")
    same, again = repeated(closed, mine)
    if again:
        lines.append(f"• Asked again: {same} of {again} times you said the same.")
    if found is None:
        return [
            *lines,
            "• How reliable your votes are cannot be told yet: too few cards were closed "
            "that several people answered.",
        ]
    lines += _reliability(found)
    if person in heard.ignored:
        lines.append(
            "• For now they are kept but not counted, as too many checks were missed. As "
            "soon as more are right they count again, the earlier ones too."
        )
    return lines


def _reliability(found: Reliability) -> list[str]:
    said = [
        f"• A vote of yours is right with about {found.accuracy:.0%}, by "
        f"{words.plural(found.votes, 'answer')} on closed cards (90 % intervals in brackets):",
        f"  you say yes to {_share(found.on_good)} of what fits,",
        f"  and no to {_share(found.on_bad)} of what does not.",
    ]
    if found.choosing is not None:
        said.append(f"  What it is instead you name right with {_share(found.choosing)}.")
    return ["\n".join(said)]


def _share(share: Share) -> str:
    return f"{share.mean:.0%} ({100 * share.low:.0f} to {share.high:.0%})"


def repeated(ballots: Sequence[Ballot], mine: Sequence[Vote]) -> tuple[int, int]:
    """(how often the same was said, how often it was asked again) of cards that somebody saw twice."""
    said = {(vote.ballot_id, vote.subject): vote.answer for vote in mine if vote.value is not None}
    first: dict[str, str | None] = {}
    then: dict[str, str | None] = {}
    for ballot in ballots:
        for subject in ballot.subjects:
            if (ballot.ballot_id, subject.key) in said and subject.role != "gold":
                given = then if subject.role == "repeat" else first
                given[subject.target] = said[ballot.ballot_id, subject.key]
    both = first.keys() & then.keys()
    return sum(first[name] == then[name] for name in both), len(both)
