"""A benchmark's bot ends with the benchmark, also where that is killed."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from bot.lease import NAME
from storage.store.store import Store

PARENT = """
import asyncio, sys
from pathlib import Path
from bot.bench.chat.process import BotProcess

async def main():
    folder = Path(sys.argv[1])
    await BotProcess(folder, {"data_dir": folder / "data", "web_port": 0}).start()
    print("it listens", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""
ENDS_S = 20.0


@pytest.fixture
def benchmark(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], stdout=subprocess.PIPE)
    yield parent
    parent.kill()
    parent.wait()
    parent.stdout.close()


def test_a_bot_whose_benchmark_is_killed_stops_in_good_order(benchmark, tmp_path):
    assert benchmark.stdout.readline() == b"it listens\n"
    bots = psutil.Process(benchmark.pid).children(recursive=True)
    started = time.monotonic()

    benchmark.kill()

    _, left = psutil.wait_procs(bots, timeout=ENDS_S)
    assert bots
    assert left == []
    assert time.monotonic() - started < ENDS_S
    store, now = Store.open(f"sqlite:///{tmp_path / 'data' / 'joulery.db'}"), datetime.now(UTC)
    assert store.upkeep.take_lease(NAME, "the next one", now, timedelta(seconds=30))
