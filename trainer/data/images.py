"""Images as they came, and what can be seen on them. Torch-free; Pillow is loaded when one is opened."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""As Pillow names them; the other forty have decoders that hardly anybody looks after."""
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp"))
MAX_BYTES = 256 * 2**20
"""No photograph takes as many; a film under the name of one may."""


class ImageError(ValueError):
    """This is no image we can use; the text is a short reason."""


class OutsideError(ImageError):
    """The image lies where the data may not reach."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image, still encoded: a file, or the bytes of one.

    Attributes:
        path: the file; only its name where there are `data`. None for bytes without a name.
        data: its content, where it is no file of its own.
        digest: SHA-256 of the content in hex, as it was when this was made.

    Raises:
        ImageError: there is no such file, or it is too large.
    """

    path: str | None
    data: bytes | None = field(default=None, repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.read()).hexdigest())

    @property
    def name(self) -> str:
        """What people know it by: the file's name and folder, or the beginning of its digest."""
        return short_name(self.path) if self.path else f"image {self.digest[:12]}"

    def read(self) -> bytes:
        """The encoded content.

        Raises:
            ImageError: the file is gone, cannot be read or is too large.
        """
        if self.data is not None:
            return self.data
        try:
            path = Path(self.path or "")
            if not path.is_file():  # nor a pipe, which would keep us waiting
                raise ImageError("no such file")
            if path.stat().st_size > MAX_BYTES:
                raise ImageError(f"more than {MAX_BYTES // 2**20} MiB")
            return path.read_bytes()
        except OSError as err:
            raise ImageError(err.strerror or "the file cannot be read") from err


def image_in(value: object, folders: Sequence[Path]) -> ImageFile | None:
    """The image of one cell of a table, still encoded; None where the cell is empty.

    Args:
        value: bytes, a path, or both as Hugging Face keeps them: {"bytes": ..., "path": ...}.
        folders: where files may lie; relative paths count from the first.

    Raises:
        OutsideError: the path leads out of the folders.
        ImageError: there is no such file, or the value is of another type.
    """
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path")
    else:
        data, path = (value, None) if isinstance(value, bytes) else (None, value)
    if isinstance(data, bytes) and data:
        return ImageFile(path if isinstance(path, str) else None, data)
    if path is None or path == "":
        return None
    if not isinstance(path, str):
        raise ImageError(f"{type(path).__name__}, neither bytes nor a path")
    if not is_inside(folders[0] / path, folders):
        raise OutsideError("outside the folder of the data")
    return ImageFile(str(folders[0] / path))


def short_name(path: str) -> str:
    """A file's name and folder, in characters that can be written anywhere."""
    return str(Path(*Path(path).parts[-2:])).encode("utf-8", "replace").decode()


def is_inside(path: Path, folders: Sequence[Path]) -> bool:
    """Whether a path lies in one of some resolved folders, all links followed."""
    try:
        whole = path.resolve()
    except (OSError, RuntimeError, ValueError):  # links in a circle, a NUL
        return False
    return any(whole.is_relative_to(folder) for folder in folders)


def opened(image: ImageFile) -> Image.Image:
    """The image as people see it: upright, in RGB, on white where it is transparent.

    The first frame of an animation. What else the file says (place, camera, colour profile) is
    left behind.

    Raises:
        ImageError: of another format, damaged, or with more pixels than Pillow's
            `Image.MAX_IMAGE_PIXELS`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError  # not loaded where nobody looks

    content = io.BytesIO(image.read())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow's: whatever it says, it copes with
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(content, formats=FORMATS) as picture:
                seen = _in_rgb(ImageOps.exif_transpose(picture))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as err:
        raise ImageError(f"more than {Image.MAX_IMAGE_PIXELS} pixels") from err
    except UnidentifiedImageError as err:
        raise ImageError(f"neither {', '.join(FORMATS[:-1])} nor {FORMATS[-1]}") from err
    except Exception as err:  # decoders raise a zoo: all of it means damaged
        raise ImageError(" ".join(str(err).split())[:80] or type(err).__name__) from err
    seen.info = {}
    return seen


def longer_side(path: Path) -> int:
    """Pixels of the longer side of a picture that we drew ourselves.

    Raises:
        OSError: it is gone.
    """
    from PIL import Image

    with Image.open(path) as picture:
        return max(picture.size)


def _in_rgb(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits: Pillow's own conversion clips all above 255
        grey = np.asarray(picture).clip(0, 2**16 - 1) >> 8
        picture = Image.fromarray(grey.astype(np.uint8))
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return picture.convert("RGB")
