"""Votes that were read from a file, on their way into a run: which are new, and as what they stand. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.export.incoming import MARK, Incoming, Row, choices_of
from storage.models import (
    Arm,
    Ballot,
    Round,
    RoundState,
    Sample,
    SampleView,
    Subject,
    SubjectKind,
    Vote,
    VoteEvent,
    VoteOp,
)
from trainer.kinds import SIDES, Kind


@dataclass(frozen=True, slots=True)
class Sorted:
    """What there is to do about the votes of a file.

    Attributes:
        new: to be taken in.
        known: stand already, as they are.
        outrun: a later vote of the same person on the same sample stands.
    """

    new: tuple[Incoming, ...]
    known: int
    outrun: int


def sort_out(
    votes: Sequence[Incoming],
    ballots: Sequence[Ballot],
    standing: Iterable[Vote],
    brought: Iterable[VoteEvent],
    person_of: Callable[[str], str],
) -> Sorted:
    """Which votes bring something new.

    Args:
        votes: of a file.
        ballots: of the run so far.
        standing: its current votes.
        brought: all events on its ballots that came from files: what was taken back since stays so.
        person_of: who a member is.
    """
    targets = {
        (b.ballot_id, s.key): s.target
        for b in ballots for s in b.subjects if s.kind is SubjectKind.SAMPLE and s.role != "gold"
    }  # fmt: skip
    newest: dict[tuple[str, str], datetime] = {}
    for vote in standing:
        target = targets.get((vote.ballot_id, vote.subject.partition(".")[0]))
        if target is not None:
            key = (vote.person, target)
            newest[key] = max(vote.at, newest.get(key, vote.at))
    came = {
        (e.voter, targets.get((e.ballot_id, e.subject.partition(".")[0])), e.at)
        for e in brought if e.mark == MARK and e.op is VoteOp.CAST
    }  # fmt: skip
    new, known, outrun = [], 0, 0
    for one in votes:
        before = newest.get((person_of(one.voter), one.sample["sample_id"]))
        if before == one.at or (*one.about, one.at) in came:
            known += 1
        elif before is None or before < one.at:
            new.append(one)
        else:
            outrun += 1
    return Sorted(tuple(new), known, outrun)


@dataclass(frozen=True, slots=True)
class Intake:
    """All that is stored of the votes of a file."""

    round: Round
    ballots: tuple[Ballot, ...]
    samples: tuple[Sample, ...]
    events: tuple[VoteEvent, ...]


def intake(
    votes: Sequence[Incoming],
    arm: Arm,
    number: int,
    kind: Kind,
    labels: tuple[str, ...],
    now: datetime,
) -> Intake:
    """The votes as a round that was never posted and is closed, with a card per sample.

    Args:
        votes: those that are new.
        arm: whose they are to be.
        number: the round's place among the arm's rounds.
        kind: of the run.
        labels: of its cards.
        now: aware UTC.
    """
    round_id = f"{arm.arm_id}.i{number}"
    by_sample: dict[str, list[Incoming]] = defaultdict(list)
    for vote in votes:
        by_sample[vote.sample["sample_id"]].append(vote)
    ballots, samples, events = [], [], []
    for i, (sample_id, said) in enumerate(by_sample.items()):
        view = _view(said[0].sample, kind)
        ballot = Ballot(
            ballot_id=f"{round_id}.{i}", round_id=round_id, run_id=arm.run_id,
            ask="prefer" if kind.asks == "pair" else "fits",
            # as a repeat: who voted elsewhere is not asked the same again
            subjects=(Subject(key="1", kind=SubjectKind.SAMPLE, target=sample_id, label=view.label,
                              role="repeat"),),
            choices=choices_of(kind, view.label), labels=labels, view=view.model_dump(),
        )  # fmt: skip
        ballots.append(ballot)
        samples.append(Sample(sample_id=sample_id, run_id=arm.run_id, view=view.model_dump()))
        events += [_event(vote, ballot.ballot_id, now) for vote in said]
    round_ = Round(
        round_id=round_id, arm_id=arm.arm_id, run_id=arm.run_id, n=number, state=RoundState.CLOSED,
        opened_at=now, closes_at=now, quorum=0, closed_at=now, closed_by=MARK,
        outcome={"votes": len(votes), "voters": len({vote.voter for vote in votes})},
    )  # fmt: skip
    return Intake(round_, tuple(ballots), tuple(samples), tuple(events))


def _view(sample: Row, kind: Kind) -> SampleView:
    answers = [str(sample[name]) for name in ("answer", "a", "b") if name in sample]
    if not answers:
        text = str(sample.get("text", ""))
        return SampleView(sample_id=sample["sample_id"], text=text, label=sample["label"])
    names = SIDES if kind.asks == "pair" else ("Answer",)
    parts = (("Prompt", str(sample.get("prompt", ""))), *zip(names, answers, strict=True))
    label = sample["label"] if kind.asks == "pair" else None
    return SampleView(sample_id=sample["sample_id"], parts=parts, label=label)


def _event(vote: Incoming, ballot_id: str, now: datetime) -> VoteEvent:
    value, answer = (
        (None, vote.label) if vote.choice is None else (vote.choice.value, vote.choice.id)
    )
    return VoteEvent(
        ballot_id=ballot_id, voter=vote.voter, subject="1.label" if vote.label else "1", mark=MARK,
        op=VoteOp.CAST, value=value, answer=answer, via=MARK, at=vote.at, received_at=now,
    )  # fmt: skip
