"""Rounds that count for nothing: their answers contradict each other, or did harm. Pure.

What they changed is undone: their answers are kept, and left out of what the trainer is told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from bot.opinions import opinions
from storage.models import Ballot, Round, RoundState, Segment, SegmentState, Vote

OUTCOME = "undone"
"""Where a round's outcome says why it counts for nothing."""
MIN_ALPHA = 0.1
"""Krippendorff's alpha below which people agree no more than by chance would be."""
BELIEVED = 0.65
"""What a person's answers are worth at least, from .5 of a coin to 1, to be held against others'."""
FEWEST_CARDS = 8
"""Cards with two answers or more, below which nobody can tell."""
OFTEN = 0.25
"""Share of pairs of answers that differ. Where nearly all say the same, alpha is low for nothing."""


def contradiction(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> str:
    """Why the answers of a round count for nothing, in words; empty where they count.

    Somebody who always says yes, or lies, contradicts everybody; where they are known for
    that, they are weighed for what they are worth, and only those who can be believed are held
    against each other.

    Args:
        ballots: its cards.
        votes: the current answers on them.
    """
    heard = opinions(ballots, votes)
    believed = {p for p, voter in heard.voters.items() if voter.accuracy >= BELIEVED}
    believed -= heard.consensus.ignored
    if len(believed) >= 2:
        votes = [vote for vote in votes if vote.person in believed]
        heard = opinions(ballots, votes)
    alpha = heard.tally.alpha
    if alpha is None or alpha >= MIN_ALPHA:
        return ""
    differing = _differing(ballots, votes)
    if len(differing) < FEWEST_CARDS or (often := sum(differing) / len(differing)) < OFTEN:
        return ""
    return (
        f"on {len(differing)} cards with several answers people contradict each other {often:.0%} of "
        f"the time (agreement α {alpha:.2f}, wanted {MIN_ALPHA})"
    )


def _differing(ballots: Sequence[Ballot], votes: Sequence[Vote]) -> list[float]:
    """Of each sample that several people judged, the share of pairs of answers that differ."""
    decisive = {
        b.ballot_id: {c.id for c in b.choices if c.value is not None or c.names is not None}
        for b in ballots
        if b.ask not in ("importance", "happy")
    }
    keys = {(b.ballot_id, s.key) for b in ballots for s in b.subjects}
    answers: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for vote in votes:
        where = (vote.ballot_id, vote.subject)
        is_decisive = vote.answer in decisive.get(vote.ballot_id, ())
        if where in keys and vote.answer is not None and is_decisive:
            answers[where][vote.answer] += 1
    found = []
    for given in answers.values():
        n = given.total()
        if n >= 2:
            alike = sum(k * (k - 1) for k in given.values())
            found.append(1 - alike / (n * (n - 1)))
    return found


def undone(rounds: Sequence[Round], segments: Iterable[Segment]) -> dict[str, str]:
    """Round -> why it counts for nothing.

    What training found harmful is the newest round that counted when it began.

    Args:
        rounds: of one arm, oldest first.
        segments: of that arm, oldest first.
    """
    found = {
        r.round_id: str(r.outcome[OUTCOME]) for r in rounds if r.outcome and r.outcome.get(OUTCOME)
    }
    for segment in segments:
        selection = (segment.report or {}).get("selection") or {}
        if segment.state is not SegmentState.DONE or not selection.get("undone"):
            continue
        counted = [
            r
            for r in rounds
            if r.state is RoundState.CLOSED
            and r.closed_at is not None
            and r.closed_at <= segment.planned_at
            and r.round_id not in found
        ]
        if counted:
            found[counted[-1].round_id] = str(selection["undone"])
    return found
