"""From the votes on cards to what the trainer is told. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.consensus import Consensus, YesNo, aggregate, importance
from storage.models import Ballot, Subject, SubjectKind, Vote
from trainer.segment import FeatureOpinion, LabelWords, Opinions, SampleOpinion


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes of some ballots in numbers."""

    votes: int
    voters: int
    yes: int
    no: int
    abstained: int
    levels: int  # how much a feature matters
    words: int  # what a label means
    alpha: float | None

    @property
    def is_silent(self) -> bool:
        """True when nobody said anything."""
        return self.votes == 0


@dataclass(frozen=True, slots=True)
class Heard:
    """The opinions of the team, and how they came about."""

    opinions: Opinions
    tally: Tally
    consensus: Consensus


def opinions(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> Heard:
    """What the team thinks after its votes on some ballots.

    Gold cards only measure voters; a better label (`label: X`) also says no to the given one, the
    given one named again says yes.
    """
    subjects = {(b.ballot_id, s.key): s for b in ballots for s in b.subjects}
    yes_no: list[YesNo] = []
    relabels: dict[str, Counter[str]] = defaultdict(Counter)
    features: list[tuple[str, str, float]] = []
    words: dict[str, list[str]] = defaultdict(list)
    abstained = 0
    for vote in votes:
        kind, target, subject = _about(vote, subjects)
        if kind == "words":
            words[target].append(vote.answer or "")
        elif subject is None:
            continue
        elif kind == "label":
            is_same = vote.answer == subject.label  # named again: it fits
            yes_no.append(YesNo(_item(vote.ballot_id, subject), vote.person, is_same))
            if vote.answer and not is_same:
                relabels[subject.target][vote.answer] += 1
        elif vote.value is None:
            abstained += 1
        elif subject.kind is SubjectKind.SAMPLE:
            yes_no.append(YesNo(_item(vote.ballot_id, subject), vote.person, vote.value > 0))
        else:
            features.append((f"{subject.label}\0{subject.target}", vote.person, vote.value))
    yes_no = _one_each(yes_no)
    consensus = aggregate(yes_no, gold=_gold(subjects))
    opinion = Opinions(
        samples=_sample_opinions(subjects, consensus, relabels),
        features=tuple(
            FeatureOpinion(label=label, feature=word, value=value, votes=n)
            for name, (value, n) in sorted(importance(features).items())
            for label, _, word in (name.partition("\0"),)
        ),
        words=tuple(LabelWords(label=k, words=tuple(v)) for k, v in sorted(words.items())),
    )
    tally = Tally(
        votes=len(votes),
        voters=len({v.person for v in votes}),
        yes=sum(v.is_yes for v in yes_no),
        no=sum(not v.is_yes for v in yes_no),
        abstained=abstained,
        levels=len(features),
        words=sum(map(len, words.values())),
        alpha=consensus.alpha,
    )
    return Heard(opinion, tally, consensus)


def _about(
    vote: Vote, subjects: Mapping[tuple[str, str], Subject]
) -> tuple[str, str, Subject | None]:
    """(kind, label, subject) of what a vote speaks of."""
    for verb in ("words", "about"):
        if vote.subject.startswith(f"{verb}."):
            return "words", vote.subject.partition(".")[2], None
    key, dot, _ = vote.subject.partition(".label")
    return ("label" if dot else "subject"), "", subjects.get((vote.ballot_id, key))


def _item(ballot_id: str, subject: Subject) -> str:
    """Gold cards show a sample under another label: a different question, hence another item."""
    return f"gold:{ballot_id}:{subject.key}" if subject.role == "gold" else subject.target


def _gold(subjects: Mapping[tuple[str, str], Subject]) -> dict[str, bool]:
    return {
        _item(ballot_id, s): s.truth > 0.5
        for (ballot_id, _), s in subjects.items()
        if s.role == "gold" and s.truth is not None
    }


def _one_each(votes: Sequence[YesNo]) -> list[YesNo]:
    """At most one vote per person and item; a no (a better label was given) outranks a yes."""
    best: dict[tuple[str, str], YesNo] = {}
    for vote in votes:
        key = (vote.item, vote.voter)
        if key not in best or not vote.is_yes:
            best[key] = vote
    return list(best.values())


def _sample_opinions(
    subjects: Mapping[tuple[str, str], Subject],
    consensus: Consensus,
    relabels: Mapping[str, Counter[str]],
) -> tuple[SampleOpinion, ...]:
    samples = {s.target for s in subjects.values() if s.kind is SubjectKind.SAMPLE}
    return tuple(
        SampleOpinion(
            sample_id=sample_id,
            keep=consensus.posterior[sample_id],
            votes=consensus.votes[sample_id],
            relabel=_agreed(relabels.get(sample_id), consensus.posterior[sample_id]),
        )
        for sample_id in sorted(samples & consensus.posterior.keys())
    )


def _agreed(given: Counter[str] | None, keep: float) -> str | None:
    """The better label most people gave; none on a tie, or where the team thinks the label fits."""
    if not given or keep >= 0.5:
        return None
    ranked = given.most_common(2)
    return None if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]
