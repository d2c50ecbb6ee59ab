"""Several pictures as one: sizes, numbers, grids, and what is refused."""

import logging

import pytest
from PIL import Image, ImageChops, ImageStat

from bot import cards, sheets
from bot.ask import questions
from storage.models import FeatureView
from tests.bot.cards import T0, feature_ballot, grid_ballot, spec
from tests.bot.test_cards import ARM, RUN
from trainer.segment import SegmentReport


@pytest.fixture
def pictures(tmp_path):
    """Twelve small pictures of several shapes and kinds."""
    sizes, modes = ((32, 32), (28, 20), (20, 60)), ("RGB", "L", "RGBA", "P")
    paths = [tmp_path / f"{n}.png" for n in range(12)]
    for n, path in enumerate(paths):
        Image.new("RGB", sizes[n % 3], (20 * n, 90, 160)).convert(modes[n % 4]).save(path)
    return paths


def entries(paths, caption="cat"):
    return [(path, number, caption) for number, path in enumerate(paths, start=1)]


def drawn(path):
    with Image.open(path) as image:
        return image.convert("RGB")


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (3, 1), (4, 2), (12, 4)])
def test_a_contact_sheet_has_three_columns_and_the_width_of_a_phone(
    pictures, tmp_path, count, rows
):
    sheets.contact_sheet(entries(pictures[:count]), tmp_path / "out" / "s.png")

    row = (drawn(tmp_path / "out" / "s.png").height - sheets.GAP) / rows
    assert drawn(tmp_path / "out" / "s.png").width == 1080
    assert row == 336 + sheets.CAPTION + sheets.GAP  # 121 px each where 1080 are shown as 390


@pytest.mark.parametrize("draw", ["contact", "importance"])
def test_the_same_pictures_make_the_same_sheet_and_nothing_else_is_left(pictures, tmp_path, draw):
    folder = tmp_path / "out"
    for name in ("a.png", "b.png"):
        if draw == "contact":
            sheets.contact_sheet(entries(pictures), folder / name)
        else:
            sheets.importance_sheet(entries(pictures[:6]), 4, folder / name)

    assert (folder / "a.png").read_bytes() == (folder / "b.png").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["a.png", "b.png"]


def test_a_picture_is_drawn_undistorted_in_the_middle_of_its_place(tmp_path):
    Image.new("RGB", (32, 16), "red").save(tmp_path / "wide.png")

    sheets.contact_sheet(entries([tmp_path / "wide.png"], ""), tmp_path / "s.png")

    red = Image.eval(drawn(tmp_path / "s.png").getchannel("G"), lambda green: 255 * (green == 0))
    assert red.getbbox() == (18, 18 + 84, 18 + 336, 18 + 84 + 168)


@pytest.mark.parametrize("caption", ["x" * 200, "two\nlines", "Ж é ß", "", "W" * 40])
def test_a_caption_stays_beneath_its_picture(pictures, tmp_path, caption):
    """However long one is, the columns to its right look as if it were not there."""
    sheets.contact_sheet([(pictures[0], 12, caption)], tmp_path / "s.png")

    beside = drawn(tmp_path / "s.png").crop((18 + 336, 0, 1080, 18 + 336 + sheets.CAPTION))
    assert beside.getcolors() == [(beside.width * beside.height, (255, 255, 255))]


def test_what_is_cut_off_a_caption_leaves_a_mark():
    font = sheets._font(bold=False)

    short = sheets._cut("a rather long label that does not fit", font, 300)

    assert short.startswith("a rather")
    assert short.endswith("…")
    assert font.getlength(short) <= 300
    assert sheets._cut("cat", font, 300) == "cat"


@pytest.mark.parametrize("ground", ["white", "black", "grey"])
def test_a_grid_is_seen_on_pictures_of_any_brightness(tmp_path, ground):
    path = tmp_path / "p.png"
    Image.new("RGB", (32, 32), ground).save(path)

    sheets.importance_sheet(entries([path]), 4, tmp_path / "4.png")
    sheets.importance_sheet(entries([path]), 2, tmp_path / "2.png")

    side = (1080 - 3 * 18) // 2 - sheets.EDGE
    inside = (18 + sheets.EDGE, 18 + sheets.EDGE, 18 + sheets.EDGE + side, 18 + sheets.EDGE + side)
    low, high = drawn(tmp_path / "4.png").crop(inside).convert("L").getextrema()
    assert (low, high) == (0, 255)
    assert ImageChops.difference(drawn(tmp_path / "4.png"), drawn(tmp_path / "2.png")).getbbox()
    # a cell's middle shows the picture alone: names stand outside
    cell = drawn(tmp_path / "4.png").crop(inside).crop((10, 10, side // 4 - 10, side // 4 - 10))
    assert ImageStat.Stat(cell.convert("L")).stddev == [0.0]


@pytest.mark.parametrize("count", [0, 13])
def test_too_few_and_too_many_pictures_are_refused(pictures, tmp_path, count):
    with pytest.raises(ValueError, match=f"1 to 12 pictures, not {count}"):
        sheets.contact_sheet(entries([*pictures, *pictures][:count]), tmp_path / "s.png")

    assert not (tmp_path / "s.png").exists()


@pytest.mark.parametrize(("count", "grid"), [(0, 4), (7, 4), (1, 1), (1, 9)])
def test_a_grid_that_cannot_be_read_is_refused(pictures, tmp_path, count, grid):
    with pytest.raises(ValueError, match=r"1 to 6 pictures|2 to 8"):
        sheets.importance_sheet(entries(pictures[:count]), grid, tmp_path / "s.png")


# --- on cards -----------------------------------------------------------------------------------


def test_a_card_about_cells_shows_its_sheet_and_says_the_numbers_in_words_too():
    card = cards.question(grid_ballot(["1.png"], "s/9.png"), spec(), closes="closes by 12:00")

    (shown,) = card.pictures
    assert shown.path == "s/9.png"
    assert shown.alt == (
        "Pictures filed under maths, cut into cells from A1, top left, to D4, bottom right. "
        "The model looks at: B2 10.0 %, A1 10.0 %"
    )
    assert card.lines == ("The model looks at these cells of the pictures. Should it?",)
    assert card.menu.title == "How much does each cell matter?"
    assert "reply “B2 5”" in card.footer


def test_a_card_about_words_has_no_sheet():
    card = cards.question(feature_ballot("sum"), spec(), closes="closes by 12:00")

    assert card.pictures == ()
    assert card.menu.title == "How much does each word matter?"


def test_a_round_says_where_the_sheets_of_its_cells_lie():
    cells = FeatureView(
        label="cat", features=("B2",), shares=(0.5,), image_paths=("1.png",), grid=4
    )
    kinds = (cells, FeatureView(label="dog", features=("bark",), shares=(0.5,)))
    report = SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        labels=("cat", "dog"), features=kinds, started_at=T0, ended_at=T0,
    )  # fmt: skip

    asked = questions(RUN, ARM, spec(), report, number=0, now=T0, channels={"memory": "c"})

    assert [ballot.view["sheet_path"] for ballot in asked.ballots] == [
        "r1/sheets/r1.human.q0.0.png",
        "",
    ]


def test_the_sheets_of_ballots_about_cells_are_drawn(pictures, tmp_path):
    asked = [feature_ballot("sum"), grid_ballot(pictures, tmp_path / "s" / "9.png")]

    sheets.draw_for(asked)

    assert drawn(tmp_path / "s" / "9.png").width == 1080


@pytest.mark.parametrize("grid", [4, 1])
def test_a_sheet_that_cannot_be_drawn_is_logged_and_holds_nothing_up(
    pictures, tmp_path, caplog, grid
):
    if grid == 4:
        pictures[1].write_bytes(b"no picture")
    fine = grid_ballot(pictures[2:4], tmp_path / "fine.png")

    with caplog.at_level(logging.WARNING):
        sheets.draw_for([grid_ballot(pictures, tmp_path / "lost.png", grid), fine])

    assert "sheet not drawn" in caplog.messages
    assert (tmp_path / "fine.png").exists()
    assert not (tmp_path / "lost.png").exists()
