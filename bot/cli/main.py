"""The outermost frame: every error becomes one sentence and an exit code."""

from __future__ import annotations

import sys

from adapters.base import ChatRefused, ChatSetupError
from bot.bench.figures import BenchError
from bot.cli.base import BAD_INPUT, FAILURE, app, err
from bot.compare import CompareError, InputRefused
from bot.energy.budget import BudgetError
from bot.energy.export import ExportError
from bot.settings import SettingsError
from storage.database import StoreError
from trainer.spec import SpecError


def _first(error: BaseException, kinds: tuple[type[Exception], ...]) -> Exception | None:
    """The first error of these kinds, also inside a group of them."""
    if isinstance(error, kinds):
        return error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            found = _first(inner, kinds)
            if found is not None:
                return found
    return None


def run() -> None:
    """Run the command line; every error becomes one sentence and an exit code."""
    try:
        app()
    except KeyboardInterrupt:
        err.print("Stopped.")
        sys.exit(FAILURE)
    except BaseException as error:  # the outermost frame: words for people, or up it goes
        if isinstance(error, SystemExit):
            raise
        kinds = (
            SpecError, SettingsError, ExportError, BudgetError, StoreError, ChatSetupError, ChatRefused,
            InputRefused,
        )  # fmt: skip
        bad_input = _first(error, kinds)
        if bad_input is not None:
            err.print(str(bad_input), style="red", highlight=False, soft_wrap=True)
            sys.exit(BAD_INPUT)
        failed = _first(error, (CompareError, BenchError))
        if failed is not None:
            err.print(str(failed), style="red", highlight=False, soft_wrap=True)
            sys.exit(FAILURE)
        raise
