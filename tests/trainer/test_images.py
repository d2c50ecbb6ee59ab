"""Whatever an image was saved as, it is seen as people see it, or refused in a few words."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from trainer.data import images
from trainer.data.images import ImageError, ImageFile, opened

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encoded(picture: Image.Image, format_: str = "PNG", **options) -> bytes:
    content = io.BytesIO()
    picture.save(content, format_, **options)
    return content.getvalue()


def seen(content: bytes) -> Image.Image:
    return opened(ImageFile(None, content))


def half_red(mode: str = "RGB") -> Image.Image:
    """8x4 pixels: the left half red, the right half blue."""
    picture = Image.new("RGB", (8, 4), BLUE)
    picture.paste(RED, (0, 0, 4, 4))
    return picture.convert(mode)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG that claims to be of some size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + rows + chunk(b"IEND", b"")


# --- what is seen -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("format_", "mode"),
    [
        ("PNG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "RGB"), ("JPEG", "CMYK"),
        ("GIF", "P"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("BMP", "RGB"), ("BMP", "P"),
    ],
)  # fmt: skip
def test_every_mode_of_every_format_is_seen_in_its_colours(format_, mode):
    picture = seen(encoded(half_red(mode), format_))

    assert (picture.mode, picture.size) == ("RGB", (8, 4))
    np.testing.assert_allclose(picture.getpixel((1, 2)), RED, atol=40)  # JPEG is not exact
    np.testing.assert_allclose(picture.getpixel((6, 2)), BLUE, atol=40)


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_is_grey(mode):
    picture = seen(encoded(Image.new("L", (3, 2), 255).convert(mode)))

    assert (picture.mode, picture.getpixel((0, 0))) == ("RGB", WHITE)


def test_sixteen_bits_keep_their_shades():
    """The upper byte of each: 0x0000, 0x40ff and 0xffff are black, a quarter and white."""
    shades = np.array([[0x0000, 0x40FF, 0xFFFF]], dtype=np.uint16)

    picture = seen(encoded(Image.fromarray(shades)))

    assert np.asarray(picture)[0].tolist() == [[0] * 3, [0x40] * 3, [0xFF] * 3]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode):
    clear = Image.new("RGBA", (2, 2), (0, 0, 0, 0)).convert(mode)
    options = {"transparency": 0} if mode == "P" else {}

    assert seen(encoded(clear, **options)).getpixel((1, 1)) == WHITE


def test_a_photograph_is_seen_upright():
    """Orientation 6: what was recorded as its left side belongs on top."""
    exif = Image.Exif()
    exif[0x0112] = 6

    picture = seen(encoded(half_red(), "JPEG", quality=95, exif=exif))

    assert picture.size == (4, 8)
    np.testing.assert_allclose(picture.getpixel((2, 1)), RED, atol=40)
    np.testing.assert_allclose(picture.getpixel((2, 6)), BLUE, atol=40)


def test_of_an_animation_the_first_frame_is_seen():
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]

    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])

    assert seen(content).getpixel((0, 0)) == RED


def test_where_a_photograph_was_taken_is_left_behind():
    exif = Image.Exif()
    exif[0x010E] = "at home"

    content = encoded(half_red(), "JPEG", exif=exif, comment=b"me")

    assert b"at home" in content
    assert seen(content).info == {}
    assert not seen(content).getexif()


# --- what is refused ----------------------------------------------------------------------------


WHOLE = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no image at all", WHOLE[:20], WHOLE[: len(WHOLE) // 2],
        WHOLE[:200] + b"\0\0\0\0" + WHOLE[204:], encoded(half_red(), "JPEG")[:-60],
    ],
    ids=["nothing", "text", "a header", "half a PNG", "four bytes wrong", "cut JPEG"],
)  # fmt: skip
def test_what_is_damaged_is_refused_with_a_short_reason(content):
    with pytest.raises(ImageError) as refusal:
        seen(content)

    assert 0 < len(str(refusal.value)) <= 80
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("format_", ["TIFF", "PPM", "ICO"])
def test_other_formats_are_refused_with_those_there_are(format_):
    with pytest.raises(ImageError, match="neither PNG, JPEG, GIF, WEBP nor BMP"):
        seen(encoded(half_red().resize((16, 16)), format_))


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_an_image_that_would_fill_the_memory_is_refused_by_its_header(side):
    """Pillow itself warns of the one and refuses the other."""
    with pytest.raises(ImageError, match="more than 89478485 pixels"):
        seen(png_of_size(side, side))


# --- files --------------------------------------------------------------------------------------


def test_a_file_and_its_bytes_have_one_digest(tmp_path):
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.png").write_bytes(WHOLE)

    file, held = ImageFile(str(tmp_path / "cats/1.png")), ImageFile("mia.png", WHOLE)

    assert file.digest == held.digest == hashlib.sha256(WHOLE).hexdigest()
    assert file.read() == held.read() == WHOLE
    assert (file.name, held.name) == ("cats/1.png", "mia.png")
    assert ImageFile(None, WHOLE).name == f"image {held.digest[:12]}"


def test_an_image_without_path_or_data_is_refused():
    with pytest.raises(ImageError, match="no such file"):
        ImageFile(None)


@pytest.mark.parametrize("name", ["nowhere.png", "folder.png", "pipe.png", "a\0b.png", "x" * 300])
def test_what_is_no_file_is_refused_at_once(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(ImageError):
        ImageFile(str(tmp_path / name))


def test_a_film_under_the_name_of_an_image_is_not_read(tmp_path):
    with (tmp_path / "film.png").open("wb") as file:
        file.truncate(images.MAX_BYTES + 1)  # a hole: takes no room on the disk

    with pytest.raises(ImageError, match="more than 256 MiB"):
        ImageFile(str(tmp_path / "film.png"))
