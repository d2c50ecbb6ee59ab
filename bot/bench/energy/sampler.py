"""A process that meters a made-up board into a real database until it is killed.

`python -m bot.bench.energy.sampler URL LOADED_AT`: the board's driver was loaded at that second
since boot, so whoever knows it can tell the counter at any moment.
"""

from __future__ import annotations

import sys
import time

from storage.store.store import Store
from trainer.energy import nvml
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, FakeNvml, installed, steady
from trainer.energy.meter import EnergyMeter
from trainer.energy.track import Slot

UUID = "GPU-made-up"
WATTS = 100.0
SLOT = Slot("r1", "human", "r1.human.0.1", "train")


def board(loaded_at: float) -> Board:
    """The board, whichever process asks it."""
    return Board(UUID, power=steady(WATTS), loaded_at=loaded_at, tick_s=0.1)


def main(url: str, loaded_at: float) -> None:
    """Meter until killed."""
    store = Store.open(url)
    with installed(FakeNvml(boot_time, [board(loaded_at)])):
        sources, _ = nvml.boards(frozenset, boot_time)
        meter = EnergyMeter(sources, store.ledger.add)
        meter.switch(SLOT)
        meter.start()
        print("metering", flush=True)  # noqa: T201 -- to whoever started it
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
