"""Starting a segment in a child process, hearing its marks, and finding it again after a restart.

Children come from a fork server that has torch loaded, so that a start costs a fraction of a
second; the bot's own process never loads torch. A child outlives a killed bot: whoever comes next
finds it by pid and start time, and reads its report.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import psutil
from pydantic import BaseModel, ConfigDict

from trainer import worker
from trainer.marks import MARK, Mark
from trainer.segment import SegmentPlan

log = logging.getLogger(__name__)

POLL_S = 0.2
OnMark = Callable[[Mark], None]


class Handle(BaseModel):
    """How to find a child again: a pid alone may belong to somebody else by now."""

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float  # psutil's create_time, s

    @classmethod
    def of(cls, pid: int) -> Self:
        """The handle of a process that was just started; of one that ended already it finds nothing."""
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time())
        except psutil.Error:
            return cls(pid=pid, created=0.0)


class Child:
    """A segment's process, started by us or adopted from a bot that died."""

    def __init__(self, handle: Handle, process: Any | None, stop_path: Path) -> None:
        self.handle = handle
        self._process = process
        self._stop_path = stop_path

    @property
    def is_heard(self) -> bool:
        """Whether its marks come to us: not those of a child that was another bot's."""
        return self._process is not None

    @property
    def is_alive(self) -> bool:
        """False once the process has ended."""
        if self._process is not None:
            return bool(self._process.is_alive())
        return _find(self.handle) is not None

    async def wait(self) -> int | None:
        """Return when the process has ended: its exit status, None when it was not our child."""
        while self.is_alive:  # noqa: ASYNC110 -- processes of others signal nothing
            await asyncio.sleep(POLL_S)
        return self._process.exitcode if self._process is not None else None

    def ask_to_stop(self) -> None:
        """Ask for a checkpoint and an early end; it takes effect before the next step."""
        with contextlib.suppress(FileNotFoundError):  # the run's folder was removed meanwhile
            self._stop_path.touch()

    async def end(self, grace_s: float) -> None:
        """Ask it to stop, and kill it when it has not within `grace_s`."""
        self.ask_to_stop()
        try:
            async with asyncio.timeout(grace_s):
                await self.wait()
        except TimeoutError:
            log.warning("child killed", extra={"pid": self.handle.pid})
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.handle.pid, signal.SIGKILL)
            await self.wait()


class LocalLauncher:
    """Children of this host."""

    def __init__(self) -> None:
        method = (
            "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        )
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(["trainer.preload"])
            os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the server inherits ours
            os.environ.setdefault("GOMP_SPINCOUNT", "0")

    async def warm(self) -> int | None:
        """Have the fork server load torch: its pid, None where the platform has no fork server."""
        if self._context.get_start_method() != "forkserver":
            return None
        return await asyncio.to_thread(self._warm)

    def _warm(self) -> int | None:
        process = self._context.Process(target=worker.nothing)
        process.start()  # returns once the server has imported everything
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(process.pid).ppid()
            process.join()
            return server
        process.join()
        return None

    async def start(self, plan: SegmentPlan, on_mark: OnMark) -> Child:
        """Start the child of a plan; returns once it runs.

        Args:
            plan: is written to its folder first.
            on_mark: called from a thread of its own, at once, for every mark.

        Raises:
            OSError: the plan cannot be written.
        """
        process, receiver = await asyncio.to_thread(self._spawn, plan)
        threading.Thread(target=_listen, args=(receiver, on_mark), daemon=True).start()
        handle = Handle.of(process.pid)
        return Child(handle, process, plan.stop_path)

    def adopt(self, handle: Handle, plan: SegmentPlan) -> Child | None:
        """The child of a bot that died, if it is still at work."""
        return Child(handle, None, plan.stop_path) if _find(handle) else None

    def _spawn(self, plan: SegmentPlan) -> tuple[Any, Connection]:
        folder = Path(plan.folder)
        folder.mkdir(parents=True, exist_ok=True)
        plan_path = folder / "plan.json"
        plan.write(plan_path)
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=worker.run, args=(str(plan_path), sender))
        process.start()
        sender.close()
        return process, receiver


def _listen(line: Connection, on_mark: OnMark) -> None:
    with contextlib.suppress(EOFError, OSError):  # the child is gone: no more marks
        while True:
            on_mark(MARK.validate_json(line.recv_bytes()))


def _find(handle: Handle) -> psutil.Process | None:
    try:
        process = psutil.Process(handle.pid)
        is_same = abs(process.create_time() - handle.created) < 0.1
        return process if is_same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None


def tail(plan: SegmentPlan, lines: int = 50) -> str:
    """The last lines a child logged."""
    try:
        text = (Path(plan.folder) / "log.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
