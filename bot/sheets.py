"""Several pictures drawn as one: to be voted on by number, or under a grid whose cells have names.

Sizes were judged at the width of a phone, 390 px: thumbnails of 121 px and letters of 14 px are
read there, four columns and smaller letters are not. Names of cells stand outside the pictures,
inside they would cover what is asked about. The same pictures make the same sheet, byte for byte.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from string import ascii_uppercase

from PIL import Image, ImageDraw, ImageFont

from bot.showable import FORMATS, UNREADABLE
from storage.models import Ballot, FeatureView, SheetView

log = logging.getLogger(__name__)

Entry = tuple[Path, int, str]
"""A picture, its number, and what stands beneath it."""
Box = tuple[int, int, int, int]  # left, top, right, bottom in px

WIDTH, GAP = 1080, 18  # px
LETTERS = 44  # px, 14 on a card as wide as a phone
CAPTION = 68  # px, height of the line beneath a picture
EDGE = 52  # px beside and above a picture, for the names of its cells
COLUMNS, MOST = 3, 12
GRID_COLUMNS, MOST_UNDER_GRID = 2, 6
GROUND, SUNKEN, INK = "#ffffff", "#ecece7", "#1d1f23"  # opaque: readable on any page


def draw_for(ballots: Iterable[Ballot]) -> None:
    """Draw the sheets of those ballots that have one; without theirs, cards say so."""
    for ballot in ballots:
        try:
            if ballot.is_sheet:
                _draw_pictures(SheetView.model_validate(ballot.view))
            elif ballot.ask == "importance":
                _draw_cells(FeatureView.model_validate(ballot.view))
        except UNREADABLE as err:
            log.warning("sheet not drawn", extra={"ballot": ballot.ballot_id, "why": str(err)})


def _draw_pictures(view: SheetView) -> None:
    entries = [
        (Path(shown.image_path or ""), number, f"× {shown.stands_for}" * (shown.stands_for > 1))
        for number, shown in enumerate(view.pictures, start=1)
    ]
    contact_sheet(entries, Path(view.sheet_path))


def _draw_cells(view: FeatureView) -> None:
    if view.grid and view.image_paths and view.sheet_path:
        paths = enumerate(view.image_paths[:MOST_UNDER_GRID], start=1)
        entries = [(Path(path), number, "") for number, path in paths]
        importance_sheet(entries, view.grid, Path(view.sheet_path))


def contact_sheet(entries: Sequence[Entry], out: Path) -> None:
    """Draw up to 12 pictures in three columns to the PNG `out`.

    The place of one that cannot be read says so: those beside it are still asked about.

    Raises:
        ValueError: there are none, or more than 12.
        OSError: the sheet cannot be written.
    """
    _check(entries, MOST)
    side = (WIDTH - (COLUMNS + 1) * GAP) // COLUMNS
    sheet = _blank(len(entries), COLUMNS, side + CAPTION)
    for place, (path, number, caption) in enumerate(entries):
        left, top = _corner(place, COLUMNS, side, side + CAPTION)
        box = (left, top, left + side, top + side)
        try:
            _paste(sheet, path, box)
        except UNREADABLE as err:
            log.warning("picture not drawn", extra={"picture": str(path), "why": str(err)})
            ImageDraw.Draw(sheet).rectangle((*box[:2], box[2] - 1, box[3] - 1), fill=SUNKEN)
            caption = "not readable"
        _write_caption(
            sheet, (left, top + side, left + side, top + side + CAPTION), str(number), caption
        )
    _save(sheet, out)


def importance_sheet(entries: Sequence[Entry], grid: int, out: Path) -> None:
    """Draw up to 6 pictures in two columns, each under a grid, to the PNG `out`.

    Args:
        entries: the pictures.
        grid: cells per side, 2 to 8; they are called A1 (top left) to D4, if there are four.
        out: where the sheet goes.

    Raises:
        ValueError: there are no pictures or more than 6, or the grid is none that can be read.
        OSError: a picture cannot be read, or the sheet not be written; also see `UNREADABLE`.
    """
    _check(entries, MOST_UNDER_GRID)
    if not 2 <= grid <= 8:
        raise ValueError(f"a grid of {grid} cells per side cannot be read; 2 to 8 can")
    column = (WIDTH - (GRID_COLUMNS + 1) * GAP) // GRID_COLUMNS
    side = column - EDGE
    row = EDGE + side + CAPTION
    sheet = _blank(len(entries), GRID_COLUMNS, row)
    for place, (path, number, caption) in enumerate(entries):
        left, top = _corner(place, GRID_COLUMNS, column, row)
        inside = (left + EDGE, top + EDGE, left + column, top + EDGE + side)
        taken = _paste(sheet, path, inside, ground=GROUND)
        _draw_grid(sheet, taken, grid)
        beneath = (inside[0], inside[3], inside[2], inside[3] + CAPTION)
        # a bare number beneath would pass for one of the rows
        _write_caption(sheet, beneath, f"Picture {number}", caption)
    _save(sheet, out)


def _check(entries: Sequence[Entry], most: int) -> None:
    if not 0 < len(entries) <= most:
        raise ValueError(f"a sheet shows 1 to {most} pictures, not {len(entries)}")


def _blank(count: int, columns: int, row: int) -> Image.Image:
    rows = -(-count // columns)
    return Image.new("RGB", (WIDTH, GAP + rows * (row + GAP)), GROUND)


def _corner(place: int, columns: int, width: int, height: int) -> tuple[int, int]:
    row, column = divmod(place, columns)
    return GAP + column * (width + GAP), GAP + row * (height + GAP)


def _paste(sheet: Image.Image, path: Path, box: Box, ground: str = SUNKEN) -> Box:
    """Put a picture into the middle of a box, as large as fits; where it stands now."""
    width, height = box[2] - box[0], box[3] - box[1]
    with Image.open(path, formats=FORMATS) as opened:
        picture = opened.convert("RGBA")
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    left, top = box[0] + (width - size[0]) // 2, box[1] + (height - size[1]) // 2
    ImageDraw.Draw(sheet).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill=ground)
    sheet.paste(picture, (left, top), mask=picture)
    return left, top, left + size[0], top + size[1]


def _draw_grid(sheet: Image.Image, box: Box, grid: int) -> None:
    """White lines with a black edge, seen on any picture, and the cells' names outside."""
    draw = ImageDraw.Draw(sheet)
    left, top, right, bottom = box
    across = [left + round((right - left) * i / grid) for i in range(grid + 1)]
    down = [top + round((bottom - top) * i / grid) for i in range(grid + 1)]
    for colour, width in (("black", 7), ("white", 3)):
        for x in across[1:-1]:
            draw.line((x, top, x, bottom - 1), fill=colour, width=width)
        for y in down[1:-1]:
            draw.line((left, y, right - 1, y), fill=colour, width=width)
    font = _font(bold=True)
    for i in range(grid):
        middle = (across[i] + across[i + 1]) / 2, (down[i] + down[i + 1]) / 2
        draw.text((middle[0], top - 6), ascii_uppercase[i], INK, font, anchor="ms")
        draw.text((left - EDGE / 2, middle[1]), str(i + 1), INK, font, anchor="mm")


def _write_caption(sheet: Image.Image, box: Box, number: str, caption: str) -> None:
    """The number in bold and as much of the words as there is room for."""
    draw = ImageDraw.Draw(sheet)
    bold, plain = _font(bold=True), _font(bold=False)
    base = box[3] - 16
    draw.text((box[0], base), number, INK, bold, anchor="ls")
    start = box[0] + bold.getlength(number) + 14
    draw.text((start, base), _cut(caption, plain, box[2] - start), INK, plain, anchor="ls")


def _cut(text: str, font: ImageFont.FreeTypeFont, room: float) -> str:
    text = " ".join(text.split())
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(f"{text}…") > room:
        text = text[:-1].rstrip()
    return f"{text}…"


@cache
def _font(*, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib brings it, which is not loaded for that: the same everywhere."""
    found = find_spec("matplotlib")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    # the basic layout: whether Raqm is installed must not change a sheet
    return ImageFont.truetype(folder / name, LETTERS, layout_engine=ImageFont.Layout.BASIC)


def _save(sheet: Image.Image, out: Path) -> None:
    """Write a PNG, whole or not at all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f"{out.name}.part")
    sheet.save(part, format="PNG")
    part.replace(out)
