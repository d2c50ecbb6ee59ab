"""A scripted guest of the web chat: does over HTTP what a person does on the page.

Simulated voters and the tests use it; the routes are described in `adapters.web.api`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, ClientTimeout, CookieJar
from yarl import URL


class GuestRefused(Exception):  # noqa: N818 -- reads as what happened
    """The web chat said no; 503 means: not recorded, send it again under the same key."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


@dataclass(frozen=True)
class Update:
    """One server-sent event."""

    kind: str
    revision: int
    data: dict[str, Any]


class Guest:
    """Somebody who is logged in; `id` is what events call them ("web:ana")."""

    def __init__(self, http: ClientSession, me: Mapping[str, str]) -> None:
        self.http = http
        self._csrf = me["csrf"]
        self.id = me["id"]
        self.name = me["name"]

    @classmethod
    @asynccontextmanager
    async def enter(cls, link: str, name: str = "") -> AsyncIterator[Guest]:
        """Come in by an open or a personal link; the former needs a name."""
        url = URL(link)
        headers = {"Origin": str(url.origin())}
        jar = CookieJar(unsafe=True)  # cookies of a bare IP address, too
        async with ClientSession(url.origin(), headers=headers, cookie_jar=jar) as http:
            body = {"token": url.query.get("token", ""), "name": name}
            async with http.post("/enter", json=body) as response:
                yield cls(http, await _answer(response))

    async def messages(self, before: int | None = None, limit: int = 60) -> list[dict[str, Any]]:
        """The newest messages and their threads, by id."""
        query = {"limit": limit} | ({"before": before} if before else {})
        async with self.http.get("/api/messages", params=query) as response:
            found: list[dict[str, Any]] = (await _answer(response))["messages"]
            return found

    async def updates(self, after: int | None = None) -> AsyncIterator[Update]:
        """What changed after that revision (None: from now on), until the chat closes."""
        query = {} if after is None else {"after": after}
        forever = ClientTimeout(total=None, sock_read=60)
        async with self.http.get("/events", params=query, timeout=forever) as response:
            fields: dict[str, str] = {}
            async for line in response.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    yield Update(fields["event"], int(fields["id"]), json.loads(fields["data"]))
                    fields = {}

    async def react(
        self, message: int, emoji: str, *, is_on: bool = True, key: str = ""
    ) -> dict[str, Any]:
        """Put a reaction on a message or take it off."""
        path = f"/api/messages/{message}/reactions/{emoji}"
        return await self._write("POST" if is_on else "DELETE", path, key)

    async def press(self, message: int, choice: str, key: str = "") -> dict[str, Any]:
        """Press a card's button."""
        return await self._write("POST", f"/api/messages/{message}/press", key, choice=choice)

    async def submit(
        self, message: int, values: Mapping[str, str], key: str = ""
    ) -> dict[str, Any]:
        """Fill in a card's menu."""
        return await self._write("POST", f"/api/messages/{message}/form", key, values=dict(values))

    async def say(self, text: str, thread: int | None = None, key: str = "") -> dict[str, Any]:
        """Say something, or give a command with `/joulery ...`."""
        path = "/api/messages" if thread is None else f"/api/messages/{thread}/replies"
        return await self._write("POST", path, key, text=text)

    async def edit(self, message: int, text: str, key: str = "") -> dict[str, Any]:
        """Change an own text."""
        return await self._write("PUT", f"/api/messages/{message}", key, text=text)

    async def delete(self, message: int, key: str = "") -> dict[str, Any]:
        """Take an own text back, or dismiss a whisper."""
        return await self._write("DELETE", f"/api/messages/{message}", key)

    async def _write(self, method: str, path: str, key: str, **body: Any) -> dict[str, Any]:
        headers = {"X-CSRF-Token": self._csrf, "Idempotency-Key": key or secrets.token_hex(12)}
        async with self.http.request(method, path, headers=headers, json=body) as response:
            return await _answer(response)


async def _answer(response: Any) -> dict[str, Any]:
    body: dict[str, Any] = await response.json()
    if response.status >= 400:
        raise GuestRefused(response.status, body["error"])
    return body
