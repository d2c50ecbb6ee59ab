"""The bot under test as a process of its own, which can be killed, and what it takes of the machine.

It ends with the process that started it, however that ends: see `leash`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from bot.bench.figures import BenchError

START_S = 120.0
AGAIN_S = 1.0
"""Whoever looks after the service starts it until it stays up."""


LISTENS = "Joulery listens at"
"""What a bot says once it is there."""


class BotProcess:
    """`joulery serve` in a folder, or another module that serves there."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        module: Sequence[str] = ("bot", "serve"),
    ) -> None:
        self._folder, self._module = folder, module
        self._log = folder / "bot.log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("JOULERY_")}
        settings = {"trackers": "none", **settings}  # nothing runs beside what is measured
        own = {f"JOULERY_{name.upper()}": str(value) for name, value in settings.items()}
        self._environ = kept | own
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> float:
        """Start it until it stays up; s that took.

        Raises:
            BenchError: it does not come up.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() - began < START_S:
            seen = self._log.stat().st_size if self._log.exists() else 0
            self._spawn()
            assert self._process is not None
            while self._process.poll() is None:
                if LISTENS.encode() in self._log.read_bytes()[seen:]:
                    return loop.time() - began
                await asyncio.sleep(0.1)
            self._let_go()
            await asyncio.sleep(AGAIN_S)
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        raise BenchError(f"the bot does not start: {''.join(last)[:300]} (all of it: {self._log})")

    def _spawn(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot.bench.chat.leash", *self._module],
                cwd=self._folder,
                env=self._environ | {"PYTHONPATH": os.getcwd()},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _let_go(self) -> None:
        """It has ended, or is about to."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.wait()
        self._process.stdin.close()

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        assert self._process is not None
        self._process.kill()
        self._let_go()

    async def close(self) -> None:
        """Stop it as a person does, its children with it."""
        if self._process is None:
            return
        if self._process.poll() is not None:
            self._let_go()
            return
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, 30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._let_go()
        for child in children:
            if child.is_running():
                child.kill()

    async def idle(self, seconds: float) -> tuple[float, float]:
        """(MB of memory, % of one core) of the bot itself while nothing happens."""
        assert self._process is not None
        process = psutil.Process(self._process.pid)
        before = process.cpu_times()
        await asyncio.sleep(seconds)
        after = process.cpu_times()
        busy_s = after.user + after.system - before.user - before.system
        return process.memory_info().rss / 1e6, 100 * busy_s / seconds


class Burners:
    """Processes that never rest, one per core: what a training run does to a bot beside it."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Burners:
        for _ in range(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2):
            busy = [sys.executable, "-c", "while True: sum(i * i for i in range(10_000))"]
            self._processes.append(subprocess.Popen(busy))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
