"""Keeps posted pictures beside the state, named by their content; only known formats get in.

SVG is left out on purpose: it may carry scripts.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from adapters.base import MAX_PICTURE, ChatRefused, Picture
from adapters.text import clean

CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}


class Pictures:
    """The folder of posted pictures."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str) -> Path:
        """Where the picture called `name` lies."""
        return self._folder / name

    def keep(self, picture: Picture) -> dict[str, str]:
        """Copy a picture in; what the state keeps of it.

        Raises:
            ChatRefused: it is missing, too large, or no PNG, JPEG, GIF or WebP.
        """
        try:
            content = Path(picture.path).read_bytes()
        except OSError as err:
            raise ChatRefused(f"The picture {picture.path} cannot be read ({err}).") from err
        ending = _ending(content)
        if ending is None or len(content) > MAX_PICTURE:
            raise ChatRefused(f"{picture.path} is no PNG, JPEG, GIF or WebP of up to 10 MiB.")
        name = f"{sha256(content).hexdigest()}.{ending}"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        part = self.path(f"{name}.part")
        part.write_bytes(content)
        part.replace(self.path(name))
        width, height = _size(content)
        return {
            "file": name,
            "alt": clean(picture.alt),
            "title": clean(picture.title),
            "width": str(width),
            "height": str(height),
        }


def _size(content: bytes) -> tuple[int, int]:
    """Width and height in pixels as a PNG's head has them, all that samples come as; else 0, 0."""
    head = content[:24]
    if len(head) < 24 or _ending(head) != "png":
        return 0, 0
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def _ending(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None
