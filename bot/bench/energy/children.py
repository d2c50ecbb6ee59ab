"""Processes that benchmarks start: one that trains when told to, one that meters until killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bot.bench.figures import BenchError


class Burner:
    """The process of `trainer.bench.burner`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def tell(self, command: str) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def answer(self) -> tuple[float, float]:
        """(seconds, CPU seconds) the last command took, once it is done.

        Raises:
            BenchError: it died.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the process that trains for the benchmark died")
        took_s, cpu_s = map(float, line.split())
        return took_s, cpu_s

    def do(self, command: str) -> tuple[float, float]:
        """(seconds, CPU seconds) a command took."""
        self.tell(command)
        return self.answer()


@contextmanager
def burner() -> Iterator[Burner]:
    """A process that trains when told to."""
    with subprocess.Popen(
        [sys.executable, "-m", "trainer.bench.burner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Burner(process)
        finally:
            process.kill()


@contextmanager
def sampler(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process that meters until it is killed, at the end of the block at the latest.

    Raises:
        BenchError: it did not start.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "bot.bench.energy.sampler", *words],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline() != "metering\n":
                raise BenchError("the process that meters for the benchmark did not start")
            yield process
        finally:
            process.kill()
