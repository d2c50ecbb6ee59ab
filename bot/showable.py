"""Whether pictures can be shown, looked at just before a card goes out.

They lie beside the run for as long as it is asked about, and disks fill up and folders get tidied:
a card that waited in the outbox must not be lost with its picture.
"""

from __future__ import annotations

import logging
from pathlib import Path

from PIL import Image

from adapters.base import MAX_PICTURE, Card
from bot import cards

log = logging.getLogger(__name__)

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""All that reading a broken picture can raise; Pillow says SyntaxError of a broken PNG."""


def showable(card: Card) -> Card:
    """The card without the pictures that cannot be read, and a line that says so."""
    lost = [picture for picture in card.pictures if not is_readable(Path(picture.path))]
    for picture in lost:
        log.warning("picture not shown", extra={"picture": picture.path, "card": card.title})
    return cards.without_pictures(card, lost)


def is_readable(path: Path) -> bool:
    """Whether a whole picture of a kind and size that every platform takes lies at `path`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            image.verify()  # the whole file, so one that was cut off is found out
        return path.stat().st_size <= MAX_PICTURE
    except UNREADABLE as err:
        log.info("picture cannot be read", extra={"picture": str(path), "why": str(err)})
        return False
