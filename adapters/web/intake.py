"""What the bot shows, as it is kept: clean texts, finite numbers, shares in [0, 1]. Pure."""

from __future__ import annotations

import math

from adapters.base import Board, Card, Series
from adapters.text import cleaned


def fitting(card: Card) -> Card:
    """The card without harmful characters; its pictures are kept apart from it."""
    bars = tuple((label, _share(share), note) for label, share, note in card.bars)
    return cleaned(card.model_copy(update={"bars": bars, "pictures": ()}))


def drawable(board: Board) -> Board:
    """The board without points that are not finite, which JSON has no word for."""
    return cleaned(board.model_copy(update={"series": tuple(map(_finite, board.series))}))


def _share(share: float) -> float:
    return min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0


def _finite(series: Series) -> Series:
    pairs = zip(series.x, series.y, strict=False)
    points = [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    x, y = zip(*points, strict=True) if points else ((), ())
    return series.model_copy(update={"x": x, "y": y})
