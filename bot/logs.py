"""How the log is written: what happened, then the facts as `name=value`."""

from __future__ import annotations

import logging
import sys

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
TICKS = "apscheduler"
"""It says two lines for each tick of the schedule, which comes every second."""


class WithFacts(logging.Formatter):
    """A line with what was given as `extra` at its end."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text; a traceback comes after the facts."""
        facts = {name: value for name, value in vars(record).items() if name not in _OWN}
        told = "".join(f" {name}={value!r}" for name, value in facts.items())
        line = logging.makeLogRecord(
            vars(record) | {"msg": f"{record.getMessage()}{told}", "args": ()}
        )
        return super().format(line)


def begin(level: str) -> None:
    """Log to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(WithFacts("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    if level != "DEBUG":
        logging.getLogger(TICKS).setLevel(logging.WARNING)
