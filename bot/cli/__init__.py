"""The command line: `joulery --help` lists its commands; those of one kind stand in one file here.

Exit codes: 0 fine, 2 bad input, 1 failure. Errors go to stderr as one plain sentence with the
remedy; tracebacks go to the log.
"""

# in the order in which --help lists their commands
from bot.cli import comparing, serving, people, export, benching, pauses  # noqa: F401, I001
from bot.cli.base import BAD_INPUT, FAILURE, app
from bot.cli.main import run

__all__ = ["BAD_INPUT", "FAILURE", "app", "run"]
