"""Posts each message and each picture once: looked up under its key first, never sent blindly."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.base import ChatRefused, ChatUnavailable, Picture, Ref
from adapters.slack.calls import Calls, SlackRefused, said
from adapters.slack.payloads import ref_to
from adapters.slack.posted import Posted
from adapters.text import one_line

MAX_ALT, MAX_TITLE = 1000, 100


class Posting:
    """The bot's way of posting: one at a time, so that two tasks with one key make one post."""

    def __init__(self, calls: Calls, posted: Posted) -> None:
        self._calls, self._posted = calls, posted
        self.lock = asyncio.Lock()

    async def react(self, ref: Ref, name: str) -> None:
        """Put a reaction on a message; a second time changes nothing.

        Raises:
            ChatError: it is not there.
        """
        add = self._calls.again.reactions_add(channel=ref.channel, timestamp=ref.message, name=name)
        try:
            await said(add)
        except SlackRefused as err:
            if err.code != "already_reacted":
                raise

    async def once(
        self,
        channel: str,
        thread: str | None,
        key: str,
        *,
        text: str,
        metadata: dict[str, Any],
        blocks: list[dict[str, Any]] | None = None,
    ) -> tuple[Ref, bool]:
        """Where the message under `key` stands, and whether it is new.

        Raises:
            ChatError: not posted; after ChatUnavailable it may stand nevertheless, and the next
                call looks for it.
        """
        known = await self._posted.find(channel, thread, key)
        if known is not None:
            return ref_to(channel, known, thread), False
        try:
            sent = await said(
                self._calls.once.chat_postMessage(
                    channel=channel,
                    thread_ts=thread,
                    text=text or "–",
                    blocks=blocks,
                    metadata=metadata,
                    unfurl_links=False,
                    unfurl_media=False,
                )
            )
        except ChatUnavailable as err:
            if err.retry_after_s is None:
                self._posted.doubt(channel, thread)
            raise
        self._posted.add(channel, thread, key, sent["ts"])
        return ref_to(channel, sent["ts"], thread), True

    async def pictures(
        self, channel: str, thread: str, pictures: Sequence[Picture], key: str
    ) -> None:
        """Put pictures into a thread; their file names say which are there already.

        Raises:
            ChatError: not all are there.
        """
        if not pictures:
            return
        shelf = await self._posted.shelf(channel, thread)
        for number, picture in enumerate(pictures):
            path = Path(picture.path)
            name = f"{hashlib.sha256(key.encode()).hexdigest()[:12]}-{number}{path.suffix}"
            if name in shelf.files:
                continue
            try:
                data = await asyncio.to_thread(path.read_bytes)
            except OSError as err:
                raise ChatRefused(f"cannot read the picture {path}: {err.strerror}") from err
            try:
                await said(
                    self._calls.once.files_upload_v2(
                        channel=channel,
                        thread_ts=thread,
                        filename=name,
                        content=data,
                        title=one_line(picture.title or picture.alt, MAX_TITLE),
                        alt_txt=one_line(picture.alt, MAX_ALT),
                    )
                )
            except ChatUnavailable:
                self._posted.doubt(channel, thread)
                raise
            shelf.files.add(name)
