"""A process that meters, then asks the table of grids, and hears itself open sockets.

`python -m bot.bench.energy.sockets URL` prints two numbers: sockets opened while it metered, and
connections, look-ups and messages after that. CodeCarbon imports urllib3, which makes a socket and
connects it to nothing, to see whether there is IPv6: so in the second part sockets alone don't count.
"""

from __future__ import annotations

import contextlib
import io
import runpy
import sys
import time
from typing import Any

SPEAKING = frozenset({"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"})
heard: list[str] = []


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if event.startswith("socket."):
        heard.append(event)


def main(url: str) -> None:
    """Meter for some seconds into a database, then ask for a country's grid."""
    from storage.store.store import Store
    from trainer.energy.clock import boot_time
    from trainer.energy.fake_nvml import Board, FakeNvml, installed
    from trainer.energy.meter import EnergyMeter
    from trainer.energy.probe import probe

    store = Store.open(url)
    with installed(FakeNvml(boot_time, [Board("GPU-1"), Board("GPU-2", has_counter=False)])):
        meter = EnergyMeter(probe().sources, store.ledger.add)
        meter.start()
        time.sleep(2.5)
        meter.close()
    print(len(heard))  # noqa: T201 -- to whoever started it
    heard.clear()
    sys.argv = ["bot.energy.carbon", "DEU"]
    with contextlib.redirect_stdout(io.StringIO()) as answer:
        runpy.run_module("bot.energy.carbon", run_name="__main__")
    if "g_per_kwh" not in answer.getvalue():
        sys.exit(f"the table said: {answer.getvalue()}")


if __name__ == "__main__":
    sys.addaudithook(_hear)
    main(sys.argv[1])
    print(sum(event in SPEAKING for event in heard))  # noqa: T201
