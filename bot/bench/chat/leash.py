"""Runs a module that ends with whoever started it, also where that was killed.

Run as `python -m bot.bench.chat.leash MODULE ARGUMENT...`; standard input is a pipe whose other end
the starting process holds, and nothing is ever written to.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

STOPS_S = 30.0
"""For an orderly end."""


def _follow() -> None:
    """Wait until the pipe's other end is gone, then end as a person would, or else at once."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOPS_S)
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Run the module as `python -m` would."""
    threading.Thread(target=_follow, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
