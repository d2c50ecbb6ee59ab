"""What people think of the model's own answers: a reason to stop, never trained on. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from storage.models import Ballot, Round, Vote

CLEAR = 2 / 3
"""The share of yes among yes and no, on every answer, that is a reason to stop."""
OUTCOME = "pleased"
"""Where a round's outcome keeps it."""


@dataclass(frozen=True, slots=True)
class Pleased:
    """How many of the model's answers the team finds good.

    Attributes:
        good: answers that more people would be happy with than not.
        rated: answers that somebody said yes or no to.
        is_clear: every answer shown has its quorum, and a clear majority of yes.
    """

    good: int
    rated: int
    is_clear: bool

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


def pleased(
    ballots: Sequence[Ballot], votes: Iterable[Vote], ignored: Collection[str], quorum: int
) -> Pleased | None:
    """What the votes say; None where none of the model's answers was rated.

    Args:
        ballots: of a round.
        votes: the current ones on them.
        ignored: people whose votes count for nothing.
        quorum: votes that an answer needs to be a reason for anything.
    """
    said: dict[str, list[bool]] = defaultdict(list)
    for vote in votes:
        if vote.value is not None and vote.person not in ignored:
            said[vote.ballot_id].append(vote.value > 0)
    shown = [said.get(ballot.ballot_id, []) for ballot in ballots if ballot.ask == "happy"]
    rated = [yes for yes in shown if yes]
    if not rated:
        return None
    return Pleased(
        good=sum(2 * sum(yes) > len(yes) for yes in rated),
        rated=len(rated),
        is_clear=all(len(yes) >= quorum and sum(yes) >= CLEAR * len(yes) for yes in shown),
    )


def before(rounds: Iterable[Round], number: int) -> Pleased | None:
    """What the last round that tells had to say, of those before round `number`."""
    known: Mapping[int, Any] = {
        r.n: r.outcome[OUTCOME]
        for r in rounds
        if r.n < number and r.outcome and OUTCOME in r.outcome
    }
    return Pleased(**known[max(known)]) if known else None
