"""What a round comes to: its outcome, its cards as they look from now on, and its digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.base import Ref
from bot import accounts, alerts, cards, digest, messages, outgoing, pleased, safety, weighing
from bot.house import House
from bot.opinions import counted, opinions
from bot.wording import kind_of
from storage.models import Ballot, OutboxItem, Round, Run, Vote
from trainer.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Closed:
    """What a round comes to.

    Attributes:
        run_id: its run.
        outcome: what is kept of it.
        items: what is shown and said.
        told: the parts of its digest.
    """

    run_id: str
    outcome: dict[str, Any]
    items: tuple[OutboxItem, ...]
    told: tuple[str, ...]


def sum_up(house: House, round_: Round, closed_by: str, *, is_complete: bool) -> Closed:
    """What a round comes to, by the votes that stand; blocks while the database is read.

    Args:
        house: the bot's parts.
        round_: takes no more votes.
        closed_by: what closed it.
        is_complete: whether all its cards could be looked at once more.
    """
    store = house.store.votes
    run = house.store.runs.get(round_.run_id)
    assert run is not None
    ballots = store.ballots(round_id=round_.round_id)
    current = store.current([b.ballot_id for b in ballots])
    heard, n = opinions(ballots, current), round_.n + 1
    outcome: dict[str, Any] = {**heard.tally.as_json(), "is_complete": is_complete}
    took = accounts.took_on(house.store, house.settings, run, ballots)
    told = [digest.closed(n, heard.tally, closed_by, kind_of(run.spec), took)]
    if why := safety.contradiction(ballots, current):
        outcome[safety.OUTCOME] = why
        told.append(messages.contradicted(why))
    liked = pleased.pleased(ballots, current, heard.consensus.ignored, round_.quorum)
    if liked is not None:
        outcome[pleased.OUTCOME] = liked.as_json()
        earlier = pleased.before(store.rounds(run.run_id), round_.n)
        told.append(messages.pleased_said(liked, earlier))
    ranked, whispers = _by_all_votes(house, run, current)
    told += [ranked] if ranked else []
    decision = weighing.after_audit(house, run, round_, ballots, current, heard.consensus)
    if decision is not None:
        outcome["decision"] = decision.as_json()
        told.append(messages.decided(decision))
    outcome[digest.SAID] = "\n".join(told)
    said = outgoing.in_thread(house.channels, run.run_id, digest.key(round_), outcome[digest.SAID])
    items = [*final_cards(house, run, ballots, counted(ballots, current)), *said, *whispers]
    if not is_complete:
        key = f"snapshot:{round_.round_id}"
        items += alerts.items_of(house, key, messages.not_all_seen(run.run_id, n))
    return Closed(run.run_id, outcome, tuple(items), tuple(told))


def final_cards(
    house: House, run: Run, ballots: Sequence[Ballot], answers: Mapping[str, Counter[str]]
) -> list[OutboxItem]:
    """The cards as they look once nobody can answer them any more."""
    spec, items = RunSpec.model_validate(run.spec), []
    for ballot in ballots:
        card = cards.question(ballot, spec, closes="closed")
        card = cards.with_tally(card, ballot, answers[ballot.ballot_id], is_closed=True)
        items += [
            outgoing.edit(outgoing.card_key(ballot.ballot_id, platform), platform, channel, card)
            for platform, channel in house.channels.items()
        ]
    return items


def _by_all_votes(house: House, run: Run, current: Sequence[Vote]) -> tuple[str, list[OutboxItem]]:
    """By all votes of the run: what matters, for all to see; who is not counted, in private."""
    store = house.store
    ballots = store.votes.ballots(run_id=run.run_id)
    heard = opinions(ballots, store.votes.current([b.ballot_id for b in ballots]))
    importance = {b.ballot_id for b in ballots if b.ask == "importance"}
    ranked = ""
    if any(vote.ballot_id in importance for vote in current):
        ranked = messages.ranking_said(heard.ranking, kind_of(run.spec))
    items = []
    ignored = {vote.person: vote for vote in current if vote.person in heard.ignored}
    for person, vote in sorted(ignored.items()):
        text = messages.ignored_said(*heard.ignored[person])
        platform = vote.voter.partition(":")[0]
        refs = [p.ref for p in store.mail.postings(vote.ballot_id) if p.platform == platform]
        items += [
            outgoing.whisper(f"ignored:{run.run_id}:{person}", vote.voter, Ref.parse(ref), text)
            for ref in refs[:1]
        ]
    return ranked, items
