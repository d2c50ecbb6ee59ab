"""Why a sample is trained on or is not: who said what, what that comes to, what became of it.

While a card about it is open, nothing is told that could lead those who have yet to answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot import ask, cutting, safety, words
from bot.answered import answer_said, sample_said, subject_of, view_of
from bot.house import House
from bot.members import shown_name
from bot.opinions import opinions
from bot.wording import kind_of
from storage.models import (
    Ballot,
    Member,
    Round,
    RoundState,
    Run,
    Segment,
    SegmentState,
    Subject,
    SubjectKind,
    Vote,
)
from storage.store.store import Store
from trainer import fates
from trainer.fates import Fate, FateError, Reason
from trainer.kinds import Kind

GOOD: Mapping[str, str] = {
    "label": "the label fits",
    "answer": "it is worth learning from",
    "pair": "the side that the data prefers is the better one",
}
"""What a yes says of a sample, by what the run's cards ask."""


class WhyError(Exception):
    """There is no such sample; the text says what to say instead."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a sample stood on."""

    ballot: Ballot
    round: Round
    subject: Subject
    votes: tuple[Vote, ...]  # on the sample, its better labels included
    voided: str = ""  # why its round counts for nothing

    @property
    def is_open(self) -> bool:
        """Whether people may still answer it."""
        return self.round.state is not RoundState.CLOSED


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a sample.

    Attributes:
        sample_id: which.
        cards: it stood on, oldest first.
        posterior: what people's votes come to by now, in [0, 1]; None: none that say anything.
        counting: votes that this rests on.
        fate: what the last segment made of it; None: it was not looked at.
        note: why votes spread to no other samples; "" where they do.
        segment: the last one that trained; None before it.
        unheard: why no vote had a part in what it trains on; "" where they had.
    """

    sample_id: str
    cards: tuple[Card, ...]
    posterior: float | None
    counting: int
    fate: Fate | None
    note: str
    segment: Segment | None
    unheard: str = ""


async def about_sample(
    house: House, run: Run, sample_id: str | None, ballot_id: str | None, number: str
) -> str:
    """Why a sample is where it is, in plain words.

    Args:
        house: the bot's parts.
        run: whose pool it is of.
        sample_id: which; None: the one of the card.
        ballot_id: the card in whose thread it was asked.
        number: which of the samples on the card; "" where there is one.

    Raises:
        WhyError: there is no such sample.
    """
    store = house.store
    if sample_id is None:
        sample_id = await house.call(_on_card, store, ballot_id, number)
    story = await house.call(read_story, store, run, sample_id)
    if not story.cards and story.fate is None and story.segment is not None:
        raise WhyError(
            f"no sample “{cutting.cut(sample_id, 40)}” was looked at in run {run.run_id} so far; "
            "cards show a sample's id at their foot"
        )
    members = await house.call(store.votes.members)
    return told(story, kind_of(run.spec), members, house)


def _on_card(store: Store, ballot_id: str | None, number: str) -> str:
    """The sample on a card."""
    found = store.votes.ballot(ballot_id) if ballot_id else None
    if found is None:
        raise WhyError("which sample? Say why SAMPLE, or why in the thread of its card")
    ballot, _ = found
    if not number and len(ballot.subjects) > 1 and ballot.ask != "importance":
        raise WhyError("which of them? Say its number, too, e.g. why 3")
    subject = subject_of(ballot, number or "1")
    if subject is None or subject.kind is not SubjectKind.SAMPLE:
        raise WhyError("this card is about no sample; say why in the thread of a sample's card")
    return subject.target


def read_story(store: Store, run: Run, sample_id: str) -> Story:
    """Everything that is kept of a sample; blocks while it is read."""
    ballots = store.votes.ballots(run_id=run.run_id)
    rounds = {r.round_id: r for r in store.votes.rounds(run.run_id)}
    votes = store.votes.current([b.ballot_id for b in ballots])
    arm, segments = _of_people(store, run)
    voided = safety.undone([r for r in rounds.values() if r.arm_id == arm], segments)
    on: dict[tuple[str, str], list[Vote]] = defaultdict(list)
    for vote in votes:
        on[vote.ballot_id, vote.subject.partition(".")[0]].append(vote)
    cards = tuple(
        Card(b, rounds[b.round_id], s, tuple(on[b.ballot_id, s.key]), voided.get(b.round_id, ""))
        for b in ballots
        for s in b.subjects
        if s.kind is SubjectKind.SAMPLE and s.target == sample_id
    )
    counting = [b for b in ballots if b.round_id not in voided]
    ids = {b.ballot_id for b in counting}
    consensus = opinions(counting, [v for v in votes if v.ballot_id in ids]).consensus
    fate, note, segment = _fate_of(run, segments, sample_id)
    return Story(
        sample_id, cards, consensus.posterior.get(sample_id), consensus.votes.get(sample_id, 0),
        fate, note, segment, _unheard(segment),
    )  # fmt: skip


def _unheard(segment: Segment | None) -> str:
    """Why votes had no part in what a segment trained on; "" where they had."""
    found = ((segment.report if segment else None) or {}).get("selection") or {}
    if found.get("is_unheard"):
        return "by label names alone more of the held-out samples are got right"
    return str(found.get("undone", ""))


def _of_people(store: Store, run: Run) -> tuple[str, list[Segment]]:
    """The arm that people steer, and its segments; none where nobody does."""
    arm = next((a for a in store.runs.arms(run.run_id) if a.name == "human"), None)
    return (arm.arm_id, store.runs.segments(arm.arm_id)) if arm is not None else ("", [])


def _fate_of(
    run: Run, segments: Sequence[Segment], sample_id: str
) -> tuple[Fate | None, str, Segment | None]:
    """What training last made of a sample, why votes do not spread, and when that was."""
    for segment in reversed(segments):
        name = f"segment-{segment.n}-{segment.attempt}"
        path = Path(run.folder) / "human" / name / fates.FILE
        if segment.state is SegmentState.DONE and path.is_file():
            try:
                return *fates.read(path, sample_id), segment
            except FateError as err:
                raise WhyError(f"{err}; the next segment writes it anew") from err
    return None, "", None


# --- words --------------------------------------------------------------------------------------


def told(story: Story, kind: Kind, members: Mapping[str, Member], house: House) -> str:
    """The story in plain words."""
    still_open = next((card for card in story.cards if card.is_open), None)
    lines = [_introduced(story), *_votes(story.cards, members)]
    if still_open is not None:
        until = ask.closing_time(still_open.round, house.settings.zone)
        lines.append(
            f"A card about it is open, and closes by {until}: what the votes come to and what became "
            "of it is told then, so that nobody is led."
        )
        return "\n".join(lines)
    if story.posterior is not None:
        lines.append(
            f"By {words.plural(story.counting, 'vote')} that count, {GOOD[kind.asks]} with "
            f"{story.posterior:.0%}."
        )
    return "\n".join([*lines, *_fate(story, kind)])


def _introduced(story: Story) -> str:
    """Which sample it is, and how many it stands for."""
    known = story.fate
    shown = [cutting.cut(story.sample_id, 80)]
    if story.cards:
        shown.append(sample_said(view_of(story.cards[-1].ballot, story.cards[-1].subject.key)))
    if known is not None and not any(card.is_open for card in story.cards):
        shown.append(f"filed under “{cutting.cut(known.given, 40)}”")
    said = f"Sample {', '.join(shown)}."
    if known is not None and known.copies > 1:
        said += f" {words.count(known.copies)} samples say the same, or nearly so."
    return said


def _votes(cards: Sequence[Card], members: Mapping[str, Member]) -> list[str]:
    """Who said what, as far as it may be told."""
    lines = []
    for card in cards:
        where = f"Round {card.round.n + 1}"
        if card.subject.role == "gold" and not card.is_open:
            lines.append(f"{where}: a check, whose answer was known; it speaks of no sample.")
        elif card.is_open and card.ballot.is_blind:
            n = len({vote.person for vote in card.votes})
            lines.append(f"{where}, blind: {words.plural(n, 'answer')} so far.")
        else:
            again = ", asked again" if card.subject.role == "repeat" else ""
            void = f" (the round counts for nothing: {card.voided})" if card.voided else ""
            lines.append(f"{where}{again}: {_who_said_what(card, members) or 'no votes'}{void}.")
    return lines or ["Nobody was asked about it."]


def _who_said_what(card: Card, members: Mapping[str, Member]) -> str:
    by_answer: dict[str, list[str]] = defaultdict(list)
    for vote in card.votes:
        said = answer_said(card.ballot, vote.subject, vote.answer)
        by_answer[said].append(shown_name(vote.voter, members))
    return "; ".join(f"{words.listed(names)}: {said}" for said, names in by_answer.items())


def _fate(story: Story, kind: Kind) -> list[str]:
    """What became of it, and what the model of the votes thinks."""
    if story.segment is None:
        return ["Nothing was trained on yet."]
    found = story.fate
    if found is None:
        return ["It was not looked at yet: only a part of the pool is, and more where that helps."]
    under = cutting.cut(found.label, 40)
    place = (
        f"no. {words.count(found.place)} of {words.count(found.of)} under “{under}” by how sure we "
        f"are, of which {words.count(found.kept)} are trained on"
    )
    by = "what labels are called" if story.unheard else "all votes together"
    unsure = f"by {by} {GOOD[kind.asks]} with {found.keep:.0%}"
    match found.reason:
        case Reason.KEPT:
            moved = f" under “{under}” instead" if found.label != found.given else ""
            said = f"It is trained on{moved}, with weight {found.weight:.2f} (1 is the average): {place}"
        case Reason.COPY:
            said = f"It is set aside because {found.first} says the same and stands for it"
        case Reason.VOTED_OUT:
            said = "It is set aside because people said no to it, or to one that says the same"
        case Reason.DOUBTED:
            said = f"It is set aside: {unsure}, which is too little"
        case Reason.SURPASSED:
            said = f"It is set aside for now, as others are surer: {place}. More are let in where that helps"
    lines = [f"{said}."]
    if story.unheard:
        lines.append(f"Votes are not heard for now: {story.unheard}.")
    elif found.reason in (Reason.KEPT, Reason.SURPASSED) and found.said is None:
        lines.append(_by_model(story, unsure))
    return [
        *lines,
        f"So it stood at the end of segment {story.segment.n}; votes since then count in the next.",
    ]


def _by_model(story: Story, unsure: str) -> str:
    """What the model of the votes makes of a sample that nobody was asked about."""
    if story.note:
        return f"The votes count for what was voted on alone: {story.note}."
    return f"The model of the votes says: {unsure}."
