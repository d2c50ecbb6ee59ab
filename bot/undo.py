"""Taking votes back by a command: one's own last answer, a card, all of a run; or somebody else's.

Votes are events, so nothing is deleted: each mark is withdrawn by one more event, and all that is
counted from them is counted anew. What trains next hears what is left.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.base import Ref
from bot import digest, outgoing, pleased, safety, votes, words
from bot.answered import answer_said, shown_on
from bot.closing import final_cards
from bot.house import House
from bot.members import accounts_of
from bot.opinions import counted, opinions
from bot.rounds import Rounds
from bot.wording import kind_of
from storage.models import (
    Ballot,
    OutboxItem,
    Round,
    RoundState,
    Run,
    Segment,
    SegmentState,
    Vote,
    VoteEvent,
    VoteOp,
)
from trainer.segment import SelectionReport

What = Literal["last", "card", "all"]


class UndoError(Exception):
    """There is nothing to take back; the text says why."""


@dataclass(frozen=True, slots=True)
class Back:
    """What was taken back.

    Attributes:
        marks: of whom, on what; newest last.
        ballots: those they stood on, by id.
        rounds: those of the ballots, by id.
        left: what the same person still says on these ballots.
    """

    marks: tuple[VoteEvent, ...]
    ballots: Mapping[str, Ballot]
    rounds: Mapping[str, Round]
    left: tuple[Vote, ...]


async def take_back(
    house: House, rounds: Rounds, run: Run, member_id: str, what: What, ballot_id: str | None,
    key: str,
) -> Back:  # fmt: skip
    """Withdraw votes of a person, under whichever account, and count all anew.

    Safe to repeat: after a crash in the middle the same is counted anew, and no more taken back.

    Args:
        house: the bot's parts.
        rounds: those who show how many have answered.
        run: whose votes.
        member_id: of the person.
        what: how much of it: the last answer, all on one card, or all.
        ballot_id: the card, where it was said in its thread; None: of the last answer.
        key: names the command.

    Raises:
        UndoError: the person has said nothing there.
    """
    back = await house.call(_withdraw, house, run, member_id, what, ballot_id, key)
    for round_ in back.rounds.values():
        if round_.state is RoundState.CLOSED:
            await house.call(_recount, house, run, round_)
        else:
            await rounds.listening.is_answered(round_)  # tells those who show the count
    house.office.wake()
    await rounds.live.show(run.run_id)
    return back


def _withdraw(
    house: House, run: Run, member_id: str, what: What, ballot_id: str | None, key: str
) -> Back:
    store = house.store.votes
    ballots = {b.ballot_id: b for b in store.ballots(run_id=run.run_id)}
    accounts = accounts_of(member_id, store.members())
    theirs = [m for m in store.marks(list(ballots)) if m.voter in accounts]
    standing = [m for m in theirs if m.op is VoteOp.CAST]
    mine = sorted(standing, key=lambda m: (m.at, m.mark))
    here = [m for m in mine if ballot_id in (None, m.ballot_id)]
    marks = mine if what == "all" else _latest(here, whole_card=what == "card")
    if not store.take_back(votes.undo(marks, house.now()), key, house.now()):
        before = [m for m in theirs if m.is_undone]
        last = max((m.received_at for m in before), default=None)
        marks = [m for m in before if m.received_at == last]
    if not marks:
        where = "on this card" if ballot_id else f"in run {run.run_id}"
        raise UndoError(f"there is no vote of {member_id} {where} to take back")
    touched = {m.ballot_id for m in marks}
    of_rounds = {ballots[name].round_id for name in touched}
    current = store.current(sorted(touched))
    return Back(
        tuple(marks),
        {name: ballots[name] for name in touched},
        {r.round_id: r for r in store.rounds(run.run_id) if r.round_id in of_rounds},
        tuple(vote for vote in current if vote.voter in accounts),
    )


def _latest(marks: Sequence[VoteEvent], *, whole_card: bool) -> list[VoteEvent]:
    """Of marks in order: the newest, with what was said in the same breath, or on the same card."""
    if not marks:
        return []
    last = marks[-1]
    same_card = [m for m in marks if m.ballot_id == last.ballot_id]
    return (
        same_card
        if whole_card
        else [m for m in same_card if (m.mark, m.at) == (last.mark, last.at)]
    )


def _recount(house: House, run: Run, round_: Round) -> None:
    """The outcome and the cards of a closed round by the votes that are left."""
    store = house.store.votes
    ballots = store.ballots(round_id=round_.round_id)
    current = store.current([b.ballot_id for b in ballots])
    heard, answers = opinions(ballots, current), counted(ballots, current)
    liked = pleased.pleased(ballots, current, heard.consensus.ignored, round_.quorum)
    counts = heard.tally.as_json()
    if liked is not None:
        counts[pleased.OUTCOME] = liked.as_json()
    why = safety.contradiction(ballots, current)
    if why or (round_.outcome or {}).get(safety.OUTCOME):  # it may count again, or no more
        counts[safety.OUTCOME] = why
    items = final_cards(house, run, ballots, answers)
    if before := (round_.outcome or {}).get(digest.SAID):
        counts[digest.SAID] = digest.recounted(before, heard.tally, kind_of(run.spec))
        items += _reworded(house, run, round_, counts[digest.SAID])
    store.recount(round_.round_id, counts, items, house.now())


def _reworded(house: House, run: Run, round_: Round, said: str) -> list[OutboxItem]:
    """The round's digest anew, with what its votes changed in training so far."""
    after = [s for s in house.store.runs.segments(round_.arm_id) if _is_after(s, round_)]
    found = (after[0].report or {}).get("selection") if after else None
    text = said
    if found is not None:
        now = round_.model_copy(update={"outcome": {digest.SAID: said}})
        effect = SelectionReport.model_validate(found)
        _, text = digest.with_effect([now], effect, kind_of(run.spec)) or ("", said)
    return outgoing.reworded(house.channels, digest.key(round_), text)


def _is_after(segment: Segment, round_: Round) -> bool:
    """Whether a segment was trained on what a round said."""
    is_done = segment.state is SegmentState.DONE
    return is_done and round_.closed_at is not None and segment.planned_at >= round_.closed_at


def told(house: House, run: Run, member_id: str, by: str, back: Back) -> list[OutboxItem]:
    """What somebody is told, in private, whose votes were taken back by another."""
    platform = member_id.partition(":")[0]
    channel = house.channels.get(platform)
    if channel is None:
        return []
    text = (
        f"{by} took your {_counted(back)} in run {run.run_id} back: they are kept, but count no "
        "more. What you answer from now on counts like anybody's. Ask them if you wonder why."
    )
    newest = max(mark.at for mark in back.marks)
    key = f"undone:{run.run_id}:{member_id}:{newest.isoformat()}"
    where = Ref(platform=platform, channel=channel, message="")
    return [outgoing.whisper(key, member_id, where, text)]


# --- words --------------------------------------------------------------------------------------


def said(back: Back, *, of: str | None = None) -> str:
    """What was taken back, what it changes, and how to change one's mind.

    Args:
        back: what was.
        of: whose it was, if not of who asked.
    """
    one_card = len(back.ballots) == 1 and of is None
    whose = f"{of}'s" if of else "your"
    lines = [f"Taken back: {_listed(back) if one_card else f'{whose} {_counted(back)}'}."]
    if one_card and back.left:
        stands = words.listed(
            [answer_said(_ballot(back, v), v.subject, v.answer) for v in back.left]
        )
        lines.append(f"What counts of yours there now: {stands}.")
    closed = [r for r in back.rounds.values() if r.state is RoundState.CLOSED]
    if closed:
        lines.append(
            "The counts of what is closed are corrected; training hears of it from its next segment on."
        )
    if of is None:
        lines.append(_how_to_return(back))
    return " ".join(filter(None, lines))


def _ballot(back: Back, vote: Vote) -> Ballot:
    return back.ballots[vote.ballot_id]


def _listed(back: Back) -> str:
    """Answers on one card."""
    (ballot,) = back.ballots.values()
    given: dict[str, list[str]] = defaultdict(list)
    for mark in back.marks:
        about = "" if ballot.ask == "importance" else shown_on(ballot, mark.subject)
        given[about].append(answer_said(ballot, mark.subject, mark.answer))
    if len(given) > 1:  # a sheet: the same was said of most
        return f"your {_counted(back)}"
    ((about, answers),) = given.items()
    on = f" on {about or shown_on(ballot, back.marks[0].subject)}"
    return f"{words.listed(list(dict.fromkeys(answers)))}{on}"


def _counted(back: Back) -> str:
    n_votes = len({(m.ballot_id, m.voter, m.subject) for m in back.marks})
    votes_said = words.plural(n_votes, "vote")
    return f"{votes_said} on {words.plural(len(back.ballots), 'card')}"


def _how_to_return(back: Back) -> str:
    """What to do about what still stands on an open card."""
    is_open = {r.round_id for r in back.rounds.values() if r.state is RoundState.OPEN}
    marks = [m for m in back.marks if back.ballots[m.ballot_id].round_id in is_open]
    if not marks:
        return ""
    if any(m.mark.startswith(("r:", "reply:")) for m in marks):
        return (
            "A reaction or reply of yours that still stands there says nothing any more; take it "
            "away and put it again, or give another answer, and that counts."
        )
    return "Answer again whenever you like."
