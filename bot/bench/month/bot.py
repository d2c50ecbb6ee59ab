"""The bot of the month, as a process of its own: the real one, with a fast clock, that trains nothing.

Run as `python -m bot.bench.month.bot FOLDER`, with its settings in the environment.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from adapters.slack.platform import SlackChat
from bot.app import running
from bot.bench.chat.process import LISTENS
from bot.bench.month.clock import FastClock, Pace
from bot.settings import Settings, read_settings
from trainer.launch import Child, Handle, LocalLauncher, OnMark
from trainer.segment import SegmentPlan

PLAYS_S = 1.5
"""The wall's seconds that a segment takes."""


class Played:
    """A player's process, looked at as `Child` does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def is_alive(self) -> bool:
        """Whether it still plays."""
        return self._process.poll() is None

    @property
    def exitcode(self) -> int | None:
        """How it ended."""
        return self._process.returncode


class Recorded(LocalLauncher):
    """Plays recorded segments back, in processes that outlive the bot.

    Args:
        folder: holds `pace.json`, and `recorded/<until>.json` for each segment.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def warm(self) -> int | None:
        """There is nothing to load."""
        return None

    async def start(self, plan: SegmentPlan, on_mark: OnMark) -> Child:
        """Start to play; no marks are sent."""
        process = await asyncio.to_thread(self._play, plan)
        return Child(Handle.of(process.pid), Played(process), plan.stop_path)

    def _play(self, plan: SegmentPlan) -> subprocess.Popen[bytes]:
        folder = Path(plan.folder)
        folder.mkdir(parents=True, exist_ok=True)
        plan.write(folder / "plan.json")
        recorded = self._folder / "recorded" / f"{plan.until}.json"
        player = Path(__file__).with_name("player.py")
        given = [folder / "plan.json", recorded, self._folder / "pace.json", PLAYS_S]
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(player), *map(str, given)],
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip


async def main(folder: Path, settings: Settings) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = FastClock(Pace.read(folder / "pace.json"))
    token, app_token = settings.slack_bot_token, settings.slack_app_token
    assert token is not None
    assert app_token is not None
    chat = SlackChat(
        token.get_secret_value(), settings.slack_channel, app_token=app_token.get_secret_value(),
        base_url=settings.slack_api_url, now=clock.now,
    )  # fmt: skip
    # Slack's pace, a message a second, is less than one of the wall's milliseconds
    chat.caps = chat.caps.model_copy(update={"min_interval_s": 0.0})
    platforms = {chat.name: chat}
    async with running(settings, platforms, clock=clock, launcher=Recorded(folder)):
        sys.stdout.write(f"{LISTENS} its fake Slack\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), read_settings()))
