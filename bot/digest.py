"""The one message that a round leaves in its run's thread, and its new wording once votes took effect.

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot import messages, words
from bot.energy.effort import People
from bot.opinions import Tally
from storage.models import Round
from trainer.kinds import Kind
from trainer.segment import SelectionReport

SAID = "said"
"""Where a round's outcome keeps its digest: what the votes changed is added later."""

RECOUNTED = "Counted again, as votes were taken back:"


def key(round_: Round) -> str:
    """What the digest is posted under, on each platform."""
    return f"closed:{round_.round_id}"


def closed(n: int, tally: Tally, closed_by: str, kind: Kind, took: People) -> str:
    """The count of a round, and what it took of people."""
    counted = messages.round_closed(n, tally, closed_by, kind)
    return counted if tally.is_silent else f"{counted} {_thanks(took)}"


def _thanks(took: People) -> str:
    people = words.plural(took.voters, "person", "people")
    return f"It took {people} {words.duration(took.seconds)} ({took.source}). Thank you!"


def recounted(before: str, tally: Tally, kind: Kind) -> str:
    """A digest with the count that is left once votes were taken back."""
    kept = (line for line in before.splitlines() if not line.startswith(RECOUNTED))
    return "\n".join((*kept, f"{RECOUNTED} {messages.tally_said(tally, kind)}"))


def with_effect(
    rounds: Sequence[Round], found: SelectionReport, kind: Kind
) -> tuple[str, str] | None:
    """(key, text) of the last round's digest, now that the votes took effect; None without one."""
    last = next((r for r in reversed(rounds) if r.outcome and SAID in r.outcome), None)
    if last is None or last.outcome is None:
        return None
    return key(last), f"{last.outcome[SAID]}\n{messages.selection_said(found, kind)}"
