"""Progress in the terminal: a bar per arm, a bar for the votes, a line for each piece of news."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from bot import metrics, words
from bot.wording import arm_said, kind_of
from storage.models import Run


class Bars:
    """A watcher that draws runs; progress may come in from any thread."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            refresh_per_second=1,  # drawing costs joules, too
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def stop(self) -> None:
        """Draw the bars for the last time; what is printed now stands below them."""
        self._progress.stop()

    def say(self, text: str | Text, style: str | None = None) -> None:
        """Print a line above the bars."""
        console = self._progress.console
        console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)

    def progress(self, run: Run, arm: str, what: str, done: int, total: int) -> None:
        """An arm got further."""
        task = self._task((run.run_id, arm), f"{run.run_id} {arm_said(arm, run.spec)}")
        self._progress.update(task, completed=done, total=total)
        if what != "training":
            self._progress.update(task, note=what)

    def evaluated(self, run: Run, arm: str, samples: int, metric: float) -> None:
        """An arm was evaluated."""
        task = self._task((run.run_id, arm), f"{run.run_id} {arm_said(arm, run.spec)}")
        kind = kind_of(run.spec)
        self._progress.update(task, note=f"{kind.metric} {metrics.said(metric, kind)}")

    def votes(self, run_id: str, cards_done: int, cards: int, votes: int) -> None:
        """Votes came in."""
        task = self._task((run_id, "votes"), f"{run_id} cards answered")
        note = words.plural(votes, "vote")
        self._progress.update(task, completed=cards_done, total=cards, note=note)

    def news(self, run_id: str, text: str) -> None:
        """Something was said in the run's thread."""
        self.say(Text.assemble((run_id, "dim"), " ", text))

    def _task(self, key: tuple[str, str], description: str) -> TaskID:
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(description, total=None, note="")
        return self._tasks[key]
