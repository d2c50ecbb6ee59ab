"""HTTP by hand, for requests no well-behaved client would send."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from yarl import URL


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: str


async def ask(
    url: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> Answer:
    """Send exactly this, with `Host` as given or as it should be."""
    where = URL(url)
    assert where.host
    reader, writer = await asyncio.open_connection(where.host, where.port)
    given = {"Host": where.authority, "Connection": "close", **(headers or {})}
    if body and "Transfer-Encoding" not in given:
        given.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return _parsed(answer.decode())


def _parsed(answer: str) -> Answer:
    head, _, body = answer.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    fields = (line.partition(": ") for line in lines)
    return Answer(int(status.split()[1]), {name.lower(): v for name, _, v in fields}, body)


def chunked(*chunks: bytes) -> bytes:
    """A body without a length, as `Transfer-Encoding: chunked` sends it."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))
