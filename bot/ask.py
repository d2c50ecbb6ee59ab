"""From what a segment found worth asking to ballots and cards. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import ascii_uppercase
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from bot import cards, messages, outgoing
from bot.dirt import is_audit
from bot.quiet import ALWAYS_DAY, Quiet
from bot.together import drawn, options, together
from bot.wording import CANNOT, FITS, HAPPY, WORTH, prefer
from storage.models import (
    Arm,
    Ask,
    Ballot,
    Choice,
    FeatureView,
    OutboxItem,
    Round,
    RoundState,
    Run,
    Sample,
    SampleView,
    SheetView,
    Subject,
    SubjectKind,
)
from trainer.kinds import KINDS, Kind
from trainer.segment import Candidate, SegmentReport
from trainer.spec import AskSpec, RunSpec

PREFERRED_FEATURES = 12
"""A card has at most 12 subjects."""


@dataclass(frozen=True, slots=True)
class Questions:
    """A round with its ballots, the samples they show, and what is posted."""

    round: Round
    ballots: tuple[Ballot, ...]
    samples: tuple[Sample, ...]
    items: tuple[OutboxItem, ...]


def questions(
    run: Run,
    arm: Arm,
    spec: RunSpec,
    report: SegmentReport,
    *,
    number: int,
    now: datetime,
    channels: Mapping[str, str],
    experts: Mapping[str, Sequence[str]] = MappingProxyType({}),
    earlier: Sequence[Ballot] = (),
    quiet: Quiet = ALWAYS_DAY,
) -> Questions | None:
    """The round a segment's report calls for; None when it found nothing to ask.

    Args:
        run: the run.
        arm: which of its arms asks.
        spec: how many votes are waited for, how long, and how they are given.
        report: what is worth asking.
        number: the round's place among the arm's rounds, from 0.
        now: aware UTC.
        channels: platform -> channel the cards go to.
        experts: label -> names of people who know it well (`bot.opinions.experts`).
        earlier: what the run asked before: some of it is asked again (`ask.repeats`).
        quiet: hours of the team's night, which count towards no deadline.
    """
    if not report.candidates and not report.features:
        return None
    round_ = Round(
        round_id=f"{arm.arm_id}.q{number}",
        arm_id=arm.arm_id,
        run_id=run.run_id,
        n=number,
        state=RoundState.OPEN,
        opened_at=now,
        closes_at=quiet.after(now, timedelta(seconds=spec.ask.deadline)),
        quorum=spec.ask.quorum,
    )
    kind = KINDS[spec.task]
    words_for = report.labels if kind.asks == "label" else ()  # labels people can explain
    groups = together(report.candidates, kind, round_.round_id)
    ballots = [
        _sample_ballot(round_, i, shown[0], report.labels, spec)
        if len(shown) == 1
        else _sheet_ballot(round_, i, shown, report.labels, run.folder, spec)
        for i, shown in enumerate(groups)
    ]
    ballots += [
        _own_ballot(round_, len(ballots) + i, view, spec.ask)
        for i, view in enumerate(report.generations)
    ]
    ballots += [
        _feature_ballot(round_, len(ballots) + i, view, words_for, run.folder, spec.ask)
        for i, view in enumerate(report.features)
    ]
    ballots += [
        _again(round_, len(ballots) + i, ballot, run.folder)
        for i, ballot in enumerate(to_repeat(earlier, spec.ask.repeats, round_.round_id))
    ]
    closes = f"closes by {closing_time(round_, quiet.zone)}"
    opened = messages.round_opened(ballots, round_, closes, kind)
    if is_audit(ballots):
        opened += f"\n{messages.audit_opened()}"
    items = outgoing.in_thread(channels, run.run_id, f"round:{round_.round_id}", opened)
    items += [
        outgoing.post(
            outgoing.card_key(ballot.ballot_id, platform), platform, channel,
            cards.question(
                ballot, spec, closes=closes, experts=_known_by(ballot, experts),
                until=round_.closes_at,
            ),
            run_id=run.run_id, ballot_id=ballot.ballot_id,
        )
        for platform, channel in channels.items()
        for ballot in ballots
    ]  # fmt: skip
    samples = tuple(
        Sample(sample_id=c.view.sample_id, run_id=run.run_id, view=c.view.model_dump())
        for c in report.candidates
    )
    return Questions(round_, tuple(ballots), samples, tuple(items))


def next_number(rounds: Sequence[Round]) -> int:
    """The number of a run's next round, from 0."""
    return max((round_.n for round_ in rounds), default=-1) + 1


def asleep_until(ask: AskSpec, quiet: Quiet, now: datetime) -> datetime | None:
    """When the night is over on the team's clock, where a run goes on through it without asking; None: it may ask."""
    wakes_at = quiet.until(now) if ask.at_night == "continue" else None
    return wakes_at.astimezone(quiet.zone) if wakes_at else None


def to_repeat(earlier: Sequence[Ballot], count: int, draw: str) -> list[Ballot]:
    """Up to `count` sample cards of earlier rounds, none twice, without gold; drawn by lot.

    Args:
        earlier: all ballots of the run so far.
        count: how many.
        draw: names the lot: the same name draws the same cards.
    """
    repeated = {s.target for b in earlier for s in b.subjects if s.role == "repeat"}
    free = [
        ballot
        for ballot in earlier
        if any(_is_repeatable(s) for s in ballot.subjects)
        and repeated.isdisjoint(s.target for s in ballot.subjects)
    ]
    return sorted(free, key=lambda ballot: drawn(draw, ballot.ballot_id))[:count]


def _is_repeatable(subject: Subject) -> bool:
    return subject.kind is SubjectKind.SAMPLE and subject.role in ("ask", "audit")


def _again(round_: Round, number: int, ballot: Ballot, folder: str) -> Ballot:
    ballot_id = f"{round_.round_id}.{number}"
    subjects, view = ballot.subjects, ballot.view
    if ballot.is_sheet:
        subjects, view = _sheet_again(ballot, _sheet_path(folder, ballot_id))
    repeats = tuple(s.model_copy(update={"role": "repeat"}) for s in subjects)
    return ballot.model_copy(
        update={
            "ballot_id": ballot_id,
            "round_id": round_.round_id,
            "subjects": repeats,
            "view": view,
        }
    )


def _sheet_again(ballot: Ballot, path: str) -> tuple[tuple[Subject, ...], dict[str, Any]]:
    """A sheet without its gold, numbered anew; a picture that is left alone has its own card."""
    view = SheetView.model_validate(ballot.view)
    kept = [
        pair for pair in zip(ballot.subjects, view.pictures, strict=True) if _is_repeatable(pair[0])
    ]
    subjects = tuple(
        s.model_copy(update={"key": str(number)}) for number, (s, _) in enumerate(kept, 1)
    )
    pictures = tuple(picture for _, picture in kept)
    if len(pictures) == 1:
        return subjects, pictures[0].model_dump()
    shown = SheetView(label=view.label, pictures=pictures, sheet_path=path)
    return subjects, shown.model_dump()


def _known_by(ballot: Ballot, experts: Mapping[str, Sequence[str]]) -> Sequence[str]:
    return experts.get(ballot.subjects[0].label or "", ())


def closing_time(round_: Round, zone: ZoneInfo) -> str:
    """The deadline on the team's clock; with its day, where that is another."""
    opened, closes = (at.astimezone(zone) for at in (round_.opened_at, round_.closes_at))
    return f"{closes:%H:%M %Z}" if opened.date() == closes.date() else f"{closes:%a %H:%M %Z}"


def _sample_ballot(
    round_: Round, number: int, candidate: Candidate, labels: Sequence[str], spec: RunSpec
) -> Ballot:
    ask, choices = _question(candidate, labels, KINDS[spec.task])
    return Ballot(
        ballot_id=f"{round_.round_id}.{number}",
        round_id=round_.round_id,
        run_id=round_.run_id,
        ask=ask,
        subjects=(_subject(1, candidate),),
        choices=choices,
        labels=() if KINDS[spec.task].asks == "answer" else tuple(labels),
        is_blind=spec.ask.style == "buttons",
        view=candidate.view.model_dump(),
    )


def _subject(number: int, candidate: Candidate) -> Subject:
    return Subject(
        key=str(number),
        kind=SubjectKind.SAMPLE,
        target=candidate.view.sample_id,
        label=candidate.view.label,
        role=candidate.role,
        truth=candidate.truth,
        believed=candidate.keep if candidate.is_telling else None,
    )


def _sheet_ballot(
    round_: Round,
    number: int,
    shown: Sequence[Candidate],
    labels: Sequence[str],
    folder: str,
    spec: RunSpec,
) -> Ballot:
    """'Which of these do not fit?' on pictures that are filed under the same label."""
    ballot_id = f"{round_.round_id}.{number}"
    view = SheetView(
        label=shown[0].view.label or "",
        pictures=tuple(candidate.view for candidate in shown),
        sheet_path=_sheet_path(folder, ballot_id),
    )
    return Ballot(
        ballot_id=ballot_id,
        round_id=round_.round_id,
        run_id=round_.run_id,
        ask="fits",
        subjects=tuple(_subject(place, candidate) for place, candidate in enumerate(shown, 1)),
        choices=FITS,
        labels=tuple(labels),
        is_blind=spec.ask.style == "buttons",
        view=view.model_dump(),
    )


def _sheet_path(folder: str, ballot_id: str) -> str:
    return f"{folder}/sheets/{ballot_id}.png"


def _question(
    candidate: Candidate, labels: Sequence[str], kind: Kind
) -> tuple[Ask, tuple[Choice, ...]]:
    """What is asked about a sample, and the answers to choose from."""
    given = candidate.view.label
    if kind.asks == "answer":
        return "fits", WORTH
    if kind.asks == "pair":
        return "prefer", prefer(given)
    offered = options(candidate, labels)
    return ("which", cards.which(offered, given)) if offered else ("fits", FITS)


def _own_ballot(round_: Round, number: int, view: SampleView, ask: AskSpec) -> Ballot:
    """What people think of an answer of the model: logged, never trained on."""
    subject = Subject(key="1", kind=SubjectKind.GENERATION, target=view.sample_id)
    return Ballot(
        ballot_id=f"{round_.round_id}.{number}",
        round_id=round_.round_id,
        run_id=round_.run_id,
        ask="happy",
        subjects=(subject,),
        choices=HAPPY,
        is_blind=ask.style == "buttons",
        view=view.model_dump(),
    )


def _feature_ballot(
    round_: Round,
    number: int,
    view: FeatureView,
    labels: Sequence[str],
    folder: str,
    ask: AskSpec,
) -> Ballot:
    ballot_id, kept = f"{round_.round_id}.{number}", slice(0, PREFERRED_FEATURES)
    shown = view.model_copy(
        update={
            "features": view.features[kept],
            "shares": view.shares[kept],
            "sheet_path": _sheet_path(folder, ballot_id) if view.grid else "",
        }
    )
    return Ballot(
        ballot_id=ballot_id,
        round_id=round_.round_id,
        run_id=round_.run_id,
        ask="importance",
        subjects=tuple(
            Subject(key=key, kind=SubjectKind.FEATURE, target=word, label=view.label)
            for key, word in zip(ascii_uppercase, shown.features, strict=False)
        ),
        choices=CANNOT,
        labels=tuple(labels),
        is_blind=ask.style == "buttons",
        view=shown.model_dump(),
    )
