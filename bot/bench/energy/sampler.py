"""A process that meters made-up devices into a real database until it is killed.

`python -m bot.bench.energy.sampler URL LOADED_AT [FOLDER]`: the board's driver was loaded at that
second since boot, so whoever knows it can tell the counter at any moment. With a folder there is
also a board to be polled, and CPU packages that lie there.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from storage.store.store import Store
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, FakeNvml, installed, steady
from trainer.energy.meter import EnergyMeter
from trainer.energy.probe import probe
from trainer.energy.track import Slot

UUID, POLLED = "GPU-made-up", "GPU-polled"
WATTS = 100.0
SLOT = Slot("r1", "human", "r1.human.0.1", "train")


def board(loaded_at: float) -> Board:
    """The board, whichever process asks it."""
    return Board(UUID, power=steady(WATTS), loaded_at=loaded_at, tick_s=0.1)


def main(url: str, loaded_at: str, folder: str = "") -> None:
    """Meter until killed."""
    store = Store.open(url)
    boards = [board(float(loaded_at))]
    if folder:
        boards.append(Board(POLLED, has_counter=False))
    with installed(FakeNvml(boot_time, boards)):
        found = probe(powercap=Path(folder or "/nowhere"))
        meter = EnergyMeter(found.sources, store.ledger.add)
        meter.switch(SLOT)
        meter.start()
        print("metering", flush=True)  # noqa: T201 -- to whoever started it
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
