"""What the decisions of `bot.worth` rest on, read from the store: votes, joules, reports, prices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from bot import messages, outgoing
from bot.ask import Questions
from bot.dirt import audit_answers, dirt_share, is_audit
from bot.house import House
from bot.opinions import opinions
from bot.settings import Settings
from bot.steps import cards_ahead
from bot.worth import (
    Decision,
    Effort,
    Forecast,
    Terms,
    as_it_came,
    audits,
    decide,
    forecast,
    next_ballot,
)
from storage.consensus import Consensus
from storage.models import Ballot, Round, RoundState, Run, SegmentState, Vote
from trainer.kinds import KINDS
from trainer.segment import SegmentReport
from trainer.spec import RunSpec, SpecError

NOT_ASKED = "not worth asking"
"""What closed a round that never opened."""


def terms(settings: Settings, spec: RunSpec) -> Terms:
    """What a run's team wants of its votes, and the prices of this house."""
    return Terms(
        value=spec.value,
        later_runs=spec.later_runs,
        seconds_per_vote=settings.seconds_per_vote,
        device_w=settings.device_watts,
        prices=settings.prices,
        kind=KINDS[spec.task],
    )


def require_prices(settings: Settings, spec: RunSpec) -> None:
    """Whoever weighs votes in money must say what things cost.

    Raises:
        SpecError: a price is missing.
    """
    missing = settings.prices.missing
    if spec.value == "money" and missing:
        raise SpecError(
            f"value: money needs prices; set {' and '.join(missing)}, or state another value in "
            "the spec, e.g. value: machine-energy"
        )


def after_audit(
    house: House,
    run: Run,
    round_: Round,
    ballots: Sequence[Ballot],
    votes: Sequence[Vote],
    consensus: Consensus,
) -> Decision | None:
    """Go, no-go or another audit, now that one closes; None where it is none, or nobody answered.

    A run that a person ended is not decided upon: taken up again, it asks as planned.
    """
    if run.state.is_final or not votes or not is_audit(ballots):
        return None
    spec, earlier = RunSpec.model_validate(run.spec), house.store.votes.rounds(run.run_id)
    n_audits = audits(earlier)
    if n_audits > 1:
        ballots, votes, consensus = _of_all_audits(house, run)
    own = terms(house.settings, spec)
    reports = _reports(house, round_.arm_id)
    machine = _forecast(house, run, round_.arm_id, reports)
    pool = max((r.pool_size for r in reports), default=0)
    scored = min(1.0, sum(r.samples_scored for r in reports) / pool) if pool else 1.0
    cards = cards_ahead(spec.ask, n_audits)
    wait_s = cards * _wait_per_card_s(house, run, round_.arm_id)
    effort = Effort.of(cards, spec.ask.quorum, own, wait_w=machine.wait_w, wait_s=wait_s)
    dirt = dirt_share(audit_answers(ballots, votes, consensus))
    return decide(
        dirt, own, effort, machine, epochs=spec.train.epochs, scored=scored,
        again=spec.ask.audit if n_audits == 1 else 0,
    )  # fmt: skip


def _of_all_audits(house: House, run: Run) -> tuple[list[Ballot], list[Vote], Consensus]:
    """The ballots of a run's audits, the votes that stand, and what they come to."""
    by_round: dict[str, list[Ballot]] = defaultdict(list)
    for ballot in house.store.votes.ballots(run_id=run.run_id):
        by_round[ballot.round_id].append(ballot)
    ballots = [b for asked in by_round.values() if is_audit(asked) for b in asked]
    votes = house.store.votes.current([b.ballot_id for b in ballots])
    return ballots, votes, opinions(ballots, votes).consensus


def before_ballot(
    house: House, run: Run, arm_id: str, report: SegmentReport, asked: Questions
) -> Decision | None:
    """Whether a ballot pays; None where that is not asked: the audit, no audit, no votes so far."""
    spec, found = RunSpec.model_validate(run.spec), report.selection
    if not spec.ask.has_audit or found is None or not found.votes or is_audit(asked.ballots):
        return None
    own = terms(house.settings, spec)
    reports = [*_reports(house, arm_id), report]
    machine = _forecast(house, run, arm_id, reports)
    cards = sum(ballot.cards for ballot in asked.ballots)
    wait_s = cards * _wait_per_card_s(house, run, arm_id)
    effort = Effort.of(cards, spec.ask.quorum, own, wait_w=machine.wait_w, wait_s=wait_s)
    after = as_it_came(found.impurity, found.impurity_after, cleared_so_far(reports))
    return next_ballot(found.impurity, after, own, effort, machine)


def cleared_so_far(reports: Sequence[SegmentReport]) -> list[tuple[float, float]]:
    """(promised, cleared) of each ballot, as shares of dirt in what is trained on. Pure.

    Args:
        reports: of an arm, in order; one with more votes than the one before follows a ballot.
    """
    known = [r.selection for r in reports if r.selection is not None]
    found = []
    for before, now in pairwise(known):
        dirt, promised, left = before.impurity, before.impurity_after, now.impurity
        follows = now.votes > before.votes
        if follows and dirt is not None and promised is not None and left is not None:
            found.append((dirt - promised, dirt - left))
    return found


def not_asked(
    house: House, run: Run, asked: Questions, decision: Decision, now: datetime
) -> Questions:
    """A round that is closed before it opens: kept for its decision, with no card and no vote."""
    round_ = asked.round.model_copy(
        update={
            "state": RoundState.CLOSED,
            "closes_at": now,
            "closing_at": now,
            "closed_at": now,
            "closed_by": NOT_ASKED,
            "outcome": {"votes": 0, "voters": 0, "decision": decision.as_json()},
        }
    )
    said = messages.decided(decision)
    items = outgoing.in_thread(house.channels, run.run_id, f"decision:{round_.round_id}", said)
    return replace(asked, round=round_, ballots=(), samples=(), items=tuple(items))


def _reports(house: House, arm_id: str) -> list[SegmentReport]:
    """What the arm's segments brought so far."""
    return [
        SegmentReport.model_validate(segment.report)
        for segment in house.store.runs.segments(arm_id)
        if segment.state is SegmentState.DONE
    ]


def _forecast(house: House, run: Run, arm_id: str, reports: Sequence[SegmentReport]) -> Forecast:
    """What the arm will spend, by the ledger so far."""
    house.meter.flush()
    parts = house.store.ledger.sums(run.run_id)
    return forecast(parts, arm_id.partition(".")[2], reports)


def _wait_per_card_s(house: House, run: Run, arm_id: str) -> float:
    """How long the last round of the arm took, per card; 0 before the first."""
    for round_ in reversed(house.store.votes.rounds(run.run_id)):
        cards = sum(b.cards for b in house.store.votes.ballots(round_id=round_.round_id))
        if round_.arm_id == arm_id and round_.closing_at is not None and cards:
            return (round_.closing_at - round_.opened_at).total_seconds() / cards
    return 0.0
