"""A whole bot in the test's own process: real database, real children, a chat in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.memory import MemoryChat
from bot.app import Bot, running
from bot.settings import Settings
from tests.flows.served import Served

OpenBot = Callable[..., AbstractAsyncContextManager[Bot]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a bot that lives in the test's folder."""
    return Settings(
        _env_file=None,
        data_dir=tmp_path / "data",
        specs_dir=tmp_path / "specs",
        operators=("memory:*",),
        web_port=0,
        trackers=(),  # a process each time a bot leaves
    )


@pytest.fixture
def chat() -> MemoryChat:
    """The chat everybody is in."""
    return MemoryChat()


@pytest.fixture
def open_bot(settings: Settings, chat: MemoryChat) -> OpenBot:
    """Starts a bot on the test's database and chat."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Bot]:
        async with running(settings.model_copy(update=changes), {"memory": chat}) as bot:
            yield bot

    return start


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A bot as a process of its own, which can be killed."""
    bot = Served(tmp_path)
    yield bot
    await bot.close()
