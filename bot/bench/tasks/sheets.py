"""Rows about contact sheets: drawn, shrunk to the width of a phone, and read back.

What is read is read by comparing with letters drawn at that size, so it is what can be told apart,
not what somebody likes to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from string import ascii_uppercase

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bot import sheets
from bot.bench.figures import Figure
from bot.bench.tasks.groups import Row, Section, Setting
from trainer.launch import LocalLauncher

PHONE = 390  # px
NAMES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
GRID = 4
CAPITAL = 0.729
"""Height of a digit or capital of DejaVu Sans, in sizes of the font."""
INK = 128
"""Grey below which a pixel on white counts as a letter's."""
LINE = 12  # px of a sheet: gaps below are lines of a grid, not gaps between pictures
WORD_GAP = 4  # px of a phone, more than between letters
SIDE = 32  # px of a picture, before it is enlarged

Box = tuple[int, int, int, int]  # left, top, right, bottom in px


class Sheets:
    """A `bot.bench.tasks.groups.Group`."""

    name = "sheets"

    def __init__(self, setting: Setting) -> None:
        self._folder = setting.folder / "sheets"

    def missing(self) -> str | None:
        """Nothing: its pictures are made up."""
        return None

    def names(self) -> list[str]:
        """One cell."""
        return ["sheets"]

    async def prepare(self, keys: Sequence[str]) -> None:
        """Nothing to be made."""

    async def carry_out(self, key: str, launcher: LocalLauncher) -> Row:
        """Draw both kinds of sheet and read them."""
        return await asyncio.to_thread(measured, self._folder)

    def section(self, rows: Sequence[Row]) -> Section:
        """What was read."""
        return section(rows)


def measured(folder: Path) -> Row:
    """Draw both kinds of sheet into a folder; what is on them, in px of a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"picture-{number}.png" for number in range(1, sheets.MOST + 1)]
    for number, path in enumerate(paths):
        made_up(number).save(path)
    labels = [NAMES[number % len(NAMES)] for number in range(len(paths))]
    entries = [(p, n, x) for n, (p, x) in enumerate(zip(paths, labels, strict=True), start=1)]
    contact, importance = folder / "contact.png", folder / "importance.png"
    sheets.contact_sheet(entries, contact)
    sheets.importance_sheet(entries[: sheets.MOST_UNDER_GRID], GRID, importance)
    return {
        "contact": _contact(contact, paths, labels), "importance": _importance(importance),
        "phone_px": PHONE, "bytes": contact.stat().st_size,
    }  # fmt: skip


def made_up(number: int) -> Image.Image:
    """A picture of many colours, none of them near to white."""
    waves = np.random.default_rng([number, 46]).random((3, 4))
    at = np.linspace(0, 1, SIDE)
    x, y = np.meshgrid(at, at)
    bands = [np.sin(6 * (a * x + b * y) + 6 * c) * (0.4 + 0.6 * d) for a, b, c, d in waves]
    return Image.fromarray((100 + 80 * np.stack(bands, axis=2)).astype(np.uint8))


def _contact(path: Path, pictures: Sequence[Path], labels: Sequence[str]) -> Row:
    with Image.open(path) as opened:
        sheet = opened.convert("RGB")
    places = thumbnails(sheet)
    columns = len({left for left, _, _, _ in places})
    size = [(right - left) * PHONE / sheet.width for left, _, right, _ in places]
    untouched = [
        _is_as_enlarged(sheet.crop(box), picture)
        for box, picture in zip(places, pictures, strict=False)
    ]
    captions = [_caption(sheet, box) for box in places]
    numbers = [read(_phone(c), [str(n) for n in range(1, 13)]) for c in captions]
    named = [
        read(_phone(c), [f"{n} {label}" for label in NAMES], bold_first=True)
        for n, c in enumerate(captions, start=1)
    ]
    wanted = [f"{n} {label}" for n, label in enumerate(labels, start=1)]
    return {
        "pictures": len(places), "columns": columns, "thumbnail_px": min(size, default=0.0),
        "letters_px": min(map(letters_px, captions), default=0.0),
        "numbers_read": sum(n == str(i) for i, n in enumerate(numbers, start=1)),
        "labels_read": sum(a == b for a, b in zip(named, wanted, strict=False)),
        "untouched": sum(untouched),
    }  # fmt: skip


def _importance(path: Path) -> Row:
    with Image.open(path) as opened:
        sheet = opened.convert("RGB")
    places = thumbnails(sheet)
    read_right, edges = 0, 0
    letters: list[float] = []
    for left, top, right, _ in places:
        side = (right - left) / GRID
        for i in range(GRID):
            middle = round(left + (i + 0.5) * side), round(top + (i + 0.5) * side)
            half = round(side / 2) - 4
            above = sheet.crop((middle[0] - half, top - sheets.EDGE, middle[0] + half, top))
            beside = sheet.crop((left - sheets.EDGE, middle[1] - half, left, middle[1] + half))
            for seen, name in ((above, ascii_uppercase[i]), (beside, str(i + 1))):
                edges += 1
                known = [*ascii_uppercase[:8], *map(str, range(1, 9))]
                read_right += read(_phone(seen), known) == name
                letters.append(letters_px(seen))
    columns = len({left for left, _, _, _ in places})
    return {
        "pictures": len(places), "columns": columns, "edges": edges, "edges_read": read_right,
        "letters_px": min(letters, default=0.0),
        "cell_px": min(((r - x) / GRID * PHONE / sheet.width for x, _, r, _ in places), default=0),
    }  # fmt: skip


# --- looking at a sheet -------------------------------------------------------------------------


def thumbnails(sheet: Image.Image) -> list[Box]:
    """Where pictures stand, line by line: large blocks without any white; letters are none."""
    is_full = np.asarray(sheet.convert("RGB")).min(axis=2) < sheet_white(sheet)
    found = []
    for top, bottom in _runs(is_full.mean(axis=1) > 0.3):
        line = is_full[top:bottom]
        found += [(left, top, right, bottom) for left, right in _runs(line.mean(axis=0) > 0.9)]
    return found


def sheet_white(sheet: Image.Image) -> int:
    """Grey level below which a pixel is no ground of the sheet."""
    corner = sheet.convert("L").getpixel((0, 0))
    return int(corner) - 10 if isinstance(corner, int | float) else 245


def _runs(is_on: np.ndarray) -> list[tuple[int, int]]:
    """(start, end) of stretches that are on, longer than a letter is high, lines of a grid left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_on.astype(int), [0]])))
    found: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if found and start - found[-1][1] < LINE:
            start = found.pop()[0]
        found.append((start, end))
    return [(a, b) for a, b in found if b - a > sheets.LETTERS * 2]


def _is_as_enlarged(seen: Image.Image, picture: Path) -> bool:
    """Whether nothing is drawn over a picture."""
    with Image.open(picture) as opened:
        alone = opened.convert("RGB").resize(seen.size, Image.Resampling.LANCZOS)
    return bool((np.asarray(alone) == np.asarray(seen)).all())


def _caption(sheet: Image.Image, box: Box) -> Image.Image:
    left, _, right, bottom = box
    return sheet.crop((left, bottom, right, bottom + sheets.CAPTION))


def letters_px(seen: Image.Image) -> float:
    """Size of the font on a phone, from the height of the first digit or capital; 0 without ink."""
    ink = np.asarray(seen.convert("L")) < INK
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) == 0:
        return 0.0
    gaps = np.flatnonzero(np.diff(columns) > 1)
    first = columns[: gaps[0] + 1] if len(gaps) else columns
    rows = np.flatnonzero(ink[:, first].any(axis=1))
    return float((rows[-1] - rows[0] + 1) / CAPITAL * PHONE / sheets.WIDTH)


def _phone(seen: Image.Image) -> Image.Image:
    """A part of a sheet as a phone shows it."""
    scale = PHONE / sheets.WIDTH
    size = max(1, round(seen.width * scale)), max(1, round(seen.height * scale))
    return seen.convert("L").resize(size, Image.Resampling.BILINEAR)


def read(seen: Image.Image, known: Sequence[str], *, bold_first: bool = False) -> str:
    """Which of the known words is written there, at the size of a phone.

    Args:
        seen: a part of a sheet, as a phone shows it.
        known: what may be written; the first word of it is bold.
        bold_first: whether all of it is looked at, or the first word alone.
    """
    ink = _ink(seen)
    scores = {
        word: _likeness(ink if bold_first else _first_word(ink), _template(word)) for word in known
    }
    return max(scores, key=lambda word: scores[word])


def _ink(seen: Image.Image) -> np.ndarray:
    """Darkness in [0, 1], cut to where there is any."""
    dark = 1 - np.asarray(seen, dtype=float) / 255
    rows, columns = np.flatnonzero(dark.max(1) > 0.3), np.flatnonzero(dark.max(0) > 0.3)
    if len(rows) == 0:
        return np.zeros((1, 1))
    return dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _first_word(ink: np.ndarray) -> np.ndarray:
    """Up to the first gap that is wider than between letters."""
    empty = ink.max(axis=0) < 0.15
    for start in range(1, len(empty) - WORD_GAP):
        if empty[start : start + WORD_GAP].all():
            return ink[:, :start]
    return ink


@cache
def _template(word: str) -> np.ndarray:
    """A word as it would be drawn for a phone: the first part bold, the rest plain."""
    size = sheets.LETTERS * PHONE / sheets.WIDTH
    picture = Image.new("L", (PHONE, 3 * sheets.LETTERS), 255)
    draw = ImageDraw.Draw(picture)
    first, _, rest = word.partition(" ")
    bold = _font(size, is_bold=True)
    draw.text((8, 60), first, 0, bold, anchor="ls")
    start = 8 + bold.getlength(first) + 14 * PHONE / sheets.WIDTH
    draw.text((start, 60), rest, 0, _font(size, is_bold=False), anchor="ls")
    return _ink(picture)


@cache
def _font(size: float, *, is_bold: bool) -> ImageFont.FreeTypeFont:
    found = find_spec("matplotlib")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(found.submodule_search_locations[0]) / "mpl-data" / "fonts" / "ttf"
    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return ImageFont.truetype(folder / name, size)


def _likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of two pieces of writing, laid over each other where they fit best."""
    height, width = max(a.shape[0], b.shape[0]) + 2, max(a.shape[1], b.shape[1]) + 2
    still = np.zeros((height, width))
    still[1 : 1 + a.shape[0], 1 : 1 + a.shape[1]] = a
    best = 0.0
    for down in range(height - b.shape[0] + 1):
        for right in range(min(3, width - b.shape[1] + 1)):
            moved = np.zeros_like(still)
            moved[down : down + b.shape[0], right : right + b.shape[1]] = b
            scale = np.sqrt((still**2).sum() * (moved**2).sum())
            best = max(best, float((still * moved).sum() / scale) if scale > 0 else 0.0)
    return best


# --- what the rows come to ----------------------------------------------------------------------


def section(rows: Sequence[Row]) -> Section:
    """Figures of both sheets. Pure."""
    if not rows:
        return Section()
    contact: Mapping[str, float] = rows[0]["contact"]
    grid: Mapping[str, float] = rows[0]["importance"]
    return Section(
        figures=(
            Figure("contact sheet: pictures", contact["pictures"], "in 3 columns", ">= 12"),
            Figure("contact sheet: a picture on a phone", contact["thumbnail_px"], "px", ">= 120"),
            Figure("contact sheet: letters on a phone", contact["letters_px"], "px", ">= 14"),
            Figure("contact sheet: numbers read back", contact["numbers_read"], "of 12", ">= 12"),
            Figure("contact sheet: labels read back", contact["labels_read"], "of 12", ">= 12"),
            Figure("contact sheet: pictures with nothing over them", contact["untouched"], "of 12",
                   ">= 12"),
            Figure("importance sheet: columns", grid["columns"], "", "<= 2"),
            Figure("importance sheet: letters on a phone", grid["letters_px"], "px", ">= 14"),
            Figure("importance sheet: cell names on the edge, read back",
                   grid["edges_read"] / max(1, grid["edges"]), f"of {grid['edges']}", ">= 1"),
        )
    )  # fmt: skip
