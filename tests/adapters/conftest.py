"""Fixtures of the chat platforms' tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.web.platform import WebChat
from tests.adapters.drivers import CHANNEL, Driver, Ears, MemoryDriver, WebDriver

DRIVERS = {"memory": MemoryDriver.started, "web": WebDriver.started}


@pytest.fixture(params=DRIVERS)
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """People on each platform in turn."""
    async with DRIVERS[request.param](tmp_path) as started:
        yield started


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
async def web(tmp_path: Path, ears: Ears) -> AsyncIterator[WebChat]:
    """A web chat that lets people in by personal links."""
    chat = WebChat(tmp_path / "chat.sqlite", channel=CHANNEL)
    await chat.connect(ears)
    yield chat
    await chat.close()


@pytest.fixture
async def demo(tmp_path: Path, ears: Ears) -> AsyncIterator[WebChat]:
    """A web chat with one open link."""
    chat = WebChat(tmp_path / "chat.sqlite", channel=CHANNEL, open_link=True)
    await chat.connect(ears)
    yield chat
    await chat.close()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    named = os.environ.get("JOULERY_CHROMIUM", "")
    for name in (named, "/usr/bin/chromium", "google-chrome", "chromium"):
        if name and (path := shutil.which(name)):
            return path
    pytest.skip("no Chromium here; install it or set JOULERY_CHROMIUM to its path")
