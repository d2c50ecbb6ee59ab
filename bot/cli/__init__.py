"""The command line: `joulery demo`, `compare SPEC`, `serve`, `status`, `energy`, `doctor`, `bench`, `study`.

Exit codes: 0 fine, 2 bad input, 1 failure. Errors go to stderr as one plain sentence with the
remedy; tracebacks go to the log.
"""

# in the order in which --help lists their commands
from bot.cli import comparing, serving, benching  # noqa: F401, I001
from bot.cli.base import BAD_INPUT, FAILURE, app
from bot.cli.main import run

__all__ = ["BAD_INPUT", "FAILURE", "app", "run"]
