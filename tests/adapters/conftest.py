"""Fixtures of the chat platforms' tests."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, async_playwright, expect

from adapters.web.platform import WebChat
from tests.adapters.discord_driver import DiscordDriver
from tests.adapters.drivers import (
    CHANNEL,
    Driver,
    Ears,
    MemoryDriver,
    RemoteDriver,
    Visit,
    WebDriver,
)
from tests.adapters.slack_driver import SlackDriver

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
DRIVERS = {
    "memory": MemoryDriver.started,
    "web": WebDriver.started,
    "slack": SlackDriver.started,
    "discord": DiscordDriver.started,
    "slack-http": partial(SlackDriver.started, is_http=True),
}


@pytest.fixture(params=DRIVERS)
async def driver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Driver]:
    """People on each platform in turn."""
    async with DRIVERS[request.param](tmp_path) as started:
        yield started


@pytest.fixture(params=["slack", "discord"])
async def remote(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RemoteDriver]:
    """People on each platform that belongs to others."""
    async with DRIVERS[request.param](tmp_path) as started:
        yield started


@pytest.fixture
async def in_slack(tmp_path: Path) -> AsyncIterator[SlackDriver]:
    """People in Slack alone."""
    async with SlackDriver.started(tmp_path) as started:
        yield started


@pytest.fixture
async def in_discord(tmp_path: Path) -> AsyncIterator[DiscordDriver]:
    """People in Discord alone."""
    async with DiscordDriver.started(tmp_path) as started:
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


# --- a browser on the page ----------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def chat(tmp_path: Path, ears: Ears) -> AsyncIterator[WebChat]:
    chat = WebChat(tmp_path / "chat.sqlite", channel=CHANNEL, open_link=True)
    await chat.connect(ears)
    yield chat
    await chat.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browsers complain about."""
    return []


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser, chat: WebChat, complaints: list[str]) -> AsyncIterator[Visit]:
    """Come in under a name; a complaint that stays fails the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def come_in(name: str, width: int = 1280, height: int = 860) -> Page:
            context = await browser.new_context(viewport={"width": width, "height": height})
            stack.push_async_callback(context.close)
            page = await context.new_page()
            note_complaints(page, chat.url, complaints)
            await page.goto(chat.entry_url())
            await page.get_by_label("Your name").fill(name)
            await page.get_by_role("button", name="Join").click()
            await expect(page.locator(".link")).to_have_attribute("data-state", "on")
            return page

        yield come_in
        assert complaints == []


def note_complaints(page: Page, own: str, complaints: list[str]) -> None:
    def asked(request: Request) -> None:
        if not request.url.startswith((own, "data:")):
            complaints.append(f"outside request: {request.url}")

    page.on("request", asked)
    page.on("console", lambda note: complaints.append(f"{note.type}: {note.text}"))
    page.on("pageerror", lambda error: complaints.append(f"page error: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
