"""Simulated people who answer the product's own ballots, read by the product's own eyes. Pure.

Cards are made as the bot makes them and answers are votes as it stores them, so what the trainer is
told went the way of real opinions. Randomness is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from bot.ask import questions
from bot.bench.learning.team import OVERLAP, SECONDS_PER_VOTE, Rater
from bot.dirt import Dirt, audit_answers, dirt_share
from bot.opinions import Heard, opinions
from storage.models import Arm, ArmState, Ballot, Choice, Run, RunState, Subject, SubjectKind, Vote
from trainer.kinds import ANSWER
from trainer.segment import Opinions, SegmentReport
from trainer.spec import RunSpec

CARELESS = 0.15
"""Share of importance votes that are given without a look."""
HIGHEST = 5
"""Level of what matters most."""
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


class Crew:
    """Some people at work on the ballots of one run; remembers every ballot and vote.

    Args:
        team: they take turns.
        spec: of the run.
        rng: draws whose answer is a mistake, which one, and which cards two people answer.
    """

    def __init__(self, team: Sequence[Rater], spec: RunSpec, rng: np.random.Generator) -> None:
        self._team, self._spec, self._rng = team, spec, rng
        self._rounds = self._turn = 0
        self.ballots: list[Ballot] = []
        self.votes: list[Vote] = []

    @property
    def seconds(self) -> float:
        """What they spent on it."""
        return len(self.votes) * SECONDS_PER_VOTE

    @property
    def asked(self) -> tuple[str, ...]:
        """Samples that were answered."""
        subjects = (s for ballot in self.ballots for s in ballot.subjects)
        return tuple(s.target for s in subjects if s.kind is SubjectKind.SAMPLE)

    @property
    def heard(self) -> Heard:
        """What they think."""
        return opinions(self.ballots, self.votes)

    @property
    def opinions(self) -> Opinions:
        """The same, as the trainer is told."""
        return self.heard.opinions

    @property
    def dirt(self) -> Dirt | None:
        """What the random cards so far tell; None where they are too few."""
        return dirt_share(audit_answers(self.ballots, self.votes, self.heard.consensus))

    def judge(self, report: SegmentReport, truth: Mapping[str, str], budget: int) -> None:
        """Answer cards about samples until there are `budget` votes in all.

        Args:
            report: what is worth asking.
            truth: sample -> its right label, or what belongs under none.
            budget: votes.
        """
        for ballot in self._posted(report):
            if ballot.subjects[0].kind is not SubjectKind.SAMPLE:
                continue
            if len(self.votes) >= budget:
                return
            self.ballots.append(ballot)
            people = min(2 if self._rng.random() < OVERLAP else 1, len(self._team))
            for _ in range(people):
                if len(self.votes) >= budget:
                    return
                rater = self._next()
                for subject in ballot.subjects[: budget - len(self.votes)]:
                    choice = self._pick(ballot, subject, truth[subject.target], rater)
                    self._cast(ballot, subject.key, rater, choice.value, choice.id, "button")

    def weigh(self, report: SegmentReport, levels: Mapping[str, int], times: int) -> None:
        """Say of every feature on the cards how much it matters, each feature `times` times.

        Args:
            report: what is worth asking.
            levels: feature -> the level a careful person has in mind, 0 to 5.
            times: votes per feature, of different people.
        """
        for ballot in self._posted(report):
            if ballot.ask != "importance":
                continue
            self.ballots.append(ballot)
            for rater in self._team[:times]:
                for subject in ballot.subjects:
                    level = self._level(levels[subject.target])
                    self._cast(ballot, subject.key, rater, level / HIGHEST, str(level), "form")

    def _posted(self, report: SegmentReport) -> tuple[Ballot, ...]:
        """The next round's ballots, as the bot would post them."""
        run = Run(
            run_id="bench", name=self._spec.name, spec=self._spec.model_dump(mode="json"),
            seed=self._spec.train.seed, state=RunState.ASKING, folder="", created_by="bench",
            created_at=BEGAN,
        )  # fmt: skip
        arm = Arm(
            arm_id="bench.human", run_id="bench", name="human", position=0, state=ArmState.ACTIVE
        )
        posted = questions(
            run, arm, self._spec, report, number=self._rounds, now=self._now(), channels={},
            earlier=self.ballots,
        )  # fmt: skip
        self._rounds += 1
        return posted.ballots if posted is not None else ()

    def _pick(self, ballot: Ballot, subject: Subject, right: str, rater: Rater) -> Choice:
        """The answer that is true, or now and then any other that says something."""
        open_to = [choice for choice in ballot.choices if choice.value is not None]
        true = _true(ballot, subject, right)
        if rater.is_lazy:
            return open_to[0]
        if self._rng.random() < rater.accuracy:
            return true
        others = [choice for choice in open_to if choice.id != true.id]
        return others[int(self._rng.integers(len(others)))]

    def _level(self, meant: int) -> int:
        if self._rng.random() < CARELESS:
            return int(self._rng.integers(HIGHEST + 1))
        return int(np.clip(meant + self._rng.integers(-1, 2), 0, HIGHEST))

    def _next(self) -> Rater:
        self._turn += 1
        return self._team[(self._turn - 1) % len(self._team)]

    def _now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def _cast(
        self, ballot: Ballot, subject: str, rater: Rater, value: float | None, said: str, via: str
    ) -> None:
        self.votes.append(
            Vote(
                ballot_id=ballot.ballot_id, person=rater.name, voter=f"bench:{rater.name}",
                subject=subject, value=value, answer=said, weight=1.0, via=via, mark=via,
                at=self._now(),
            )
        )  # fmt: skip


def _true(ballot: Ballot, subject: Subject, right: str) -> Choice:
    """The answer of somebody who knows what is right."""
    if ballot.ask == "fits":
        said = "yes" if (subject.label or ANSWER) == right else "no"
    else:  # what is under none of the names is a bad pair
        named = {choice.names: choice.id for choice in ballot.choices if choice.names is not None}
        said = named.get(right, "bad")
    return next(choice for choice in ballot.choices if choice.id == said)


def levels_of_topics(
    topics: Sequence[str], prompts: Sequence[str], wanted: Sequence[bool]
) -> dict[str, int]:
    """How much a careful person thinks each topic matters: 4 if it is mostly what is wanted, else 1.

    They see the words a topic is called by, and know the prompts with at least two of them.

    Args:
        topics: what they are called: words with spaces between.
        prompts: of the pool.
        wanted: whether each of them is of the kind that is to be learnt.
    """
    read = [frozenset(_words(prompt)) for prompt in prompts]
    found = {}
    for topic in topics:
        name = frozenset(_words(topic))
        own = [
            is_wanted
            for words, is_wanted in zip(read, wanted, strict=True)
            if len(name & words) >= min(2, len(name))
        ]
        found[topic] = WANTED if own and float(np.mean(own)) > 0.5 else UNWANTED
    return found


WANTED, UNWANTED = 4, 1


def _words(text: str) -> list[str]:
    return "".join(c if c.isalpha() else " " for c in text.lower()).split()
