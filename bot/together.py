"""What a card offers to choose from, and which samples stand on one card together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise

from bot.wording import NUMBERS
from trainer.kinds import Kind
from trainer.segment import Candidate

MIN_OPTIONS, MAX_OPTIONS = 2, len(NUMBERS)
"""So many labels can be chosen from on one card."""
SMALL = 160
"""px: pictures whose longer side is no longer lose little on a sheet as wide as a phone, 121 px each.

Two photographs, cut square, shrunk to that side, drawn on a sheet and shown 390 px wide, against
themselves: a structural similarity (Wang et al. 2004) of .95 at 32 px, .88 at 160, .85 at 192, .80 at
256 and .72 at 400; on a screen of twice the density .99, .97, .97, .95 and .88.
"""


def together(candidates: Sequence[Candidate], kind: Kind, lot: str) -> list[tuple[Candidate, ...]]:
    """What stands on each card: one sample, or several small pictures filed under one label.

    A sheet stands where the first of its pictures would. Its numbers are drawn by lot: in what
    order a round was chosen says which of its samples are there to see how people answer.

    Args:
        candidates: what is worth asking, in order.
        kind: of the run.
        lot: names the lot.
    """
    alike: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        label = candidate.view.label if _may_share(candidate, kind) else None
        name = f"one:{candidate.view.sample_id}" if label is None else f"label:{label}"
        alike.setdefault(name, []).append(candidate)
    return [
        tuple(sorted(part, key=lambda c: drawn(lot, c.view.sample_id)))
        for group in alike.values()
        for part in _parted(group)
    ]


def _may_share(candidate: Candidate, kind: Kind) -> bool:
    """Whether others may stand beside it: a small picture of which one thing is asked."""
    is_small = 0 < candidate.view.image_side <= SMALL
    return is_small and kind.asks == "label" and not options(candidate, candidate.options)


def _parted(group: Sequence[Candidate]) -> list[Sequence[Candidate]]:
    """As few parts as each can be tapped, of like size."""
    parts = -(-len(group) // len(NUMBERS))
    ends = [len(group) * i // parts for i in range(parts + 1)]
    return [group[start:end] for start, end in pairwise(ends)]


def drawn(lot: str, name: str) -> bytes:
    """What things are sorted by to be drawn by lot: the same lot draws the same."""
    return sha256(f"{lot}:{name}".encode()).digest()


def options(candidate: Candidate, labels: Sequence[str]) -> tuple[str, ...]:
    """The labels to choose from; () where one question about the given label is asked instead.

    In the order of the task's labels: so the order gives nothing away about the given one, and a
    label keeps its number from card to card.
    """
    place = {label: i for i, label in enumerate(labels)}
    found = sorted(set(candidate.options), key=lambda name: (place.get(name, len(place)), name))
    return tuple(found) if MIN_OPTIONS <= len(found) <= MAX_OPTIONS else ()
