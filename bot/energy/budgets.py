"""Seeing that no run spends more than its budget: a look each second, a word at 80 %, an end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot import outgoing
from bot.energy.budget import WARN_AT, Budget, BudgetError, Spent, parse
from bot.house import House
from storage.models import Run

ENDING_S = 2.0
"""From a budget's end to a child's, the checkpoint aside: until the next look, and to leave."""
Stop = Callable[[str, str], Awaitable[None]]


class Budgets:
    """The budgets of all runs that are under way.

    Args:
        house: the bot's parts.
        stop: ends a run with a checkpoint, by its id and the reason in words.
    """

    def __init__(self, house: House, stop: Stop) -> None:
        self._house, self._stop = house, stop

    def check(self, text: str) -> str:
        """A budget somebody wrote, as it is kept; empty stays empty.

        Raises:
            BudgetError: it cannot be read, or counts CO2e where no country is set.
        """
        if text and parse(text).kind.of == "carbon" and self._house.spending.grams_per_kwh is None:
            raise BudgetError(
                f"a budget of {text} needs to know whose electricity it is: set JOULERY_COUNTRY, "
                "or write a budget in kWh or minutes"
            )
        return text.strip()

    async def change(self, run: Run, text: str, who: str) -> Run:
        """Give a run another budget, and say so in its thread.

        Raises:
            BudgetError: it is none.
        """
        budget = self.check(text)
        house = self._house
        await house.call(house.store.runs.set_budget, run.run_id, budget)
        key = f"budget:{run.run_id}:{house.now().isoformat()}"
        text = f"{who} set the budget of run {run.run_id} to {budget}."
        await house.office.queue(*outgoing.in_thread(house.channels, run.run_id, key, text))
        return run.model_copy(update={"budget": budget})

    async def said(self, run: Run) -> str:
        """How much of its budget a run has used."""
        if not run.budget:
            return f"Run {run.run_id} has no budget. Give it one: budget {run.run_id} 0.5kWh (or 90min)."
        spent = await self._house.call(self._house.spending.spent, run.run_id)
        return f"Run {run.run_id} has used {parse(run.budget).said(spent)}."

    async def refuse_used_up(self, run: Run) -> None:
        """Nothing goes on without budget, nor with less than saving its work takes.

        Raises:
            BudgetError: it is used up.
        """
        if not run.budget:
            return
        _, ending = await self._house.call(self._both, run.run_id)
        share = parse(run.budget).share(ending)
        if share is not None and share >= 1:
            raise BudgetError(
                f"the budget of run {run.run_id}, {run.budget}, is used up; say budget "
                f"{run.run_id} with more first"
            )

    async def look(self) -> None:
        """Warn, or stop, every run that has come so far."""
        house = self._house
        for run in await house.call(house.store.runs.all, is_open=True):
            if run.budget and run.state.is_moving:
                await self._look_at(run, parse(run.budget))

    async def _look_at(self, run: Run, budget: Budget) -> None:
        house = self._house
        spent, ending = await house.call(self._both, run.run_id)
        share, share_then = budget.share(spent), budget.share(ending)
        if share is None or share_then is None:
            return
        if share_then >= 1:
            raised = f"say budget {run.run_id} with more, then resume {run.run_id}"
            await self._stop(run.run_id, f"the budget of {budget.text} is used up; {raised}")
        elif share >= WARN_AT:
            key = f"budget:{run.run_id}:{budget.text}:{WARN_AT}"
            said = (
                f"{budget.said(spent)} is used. At 100 % training stops with a "
                f"checkpoint; to give it more: budget {run.run_id} AMOUNT."
            )
            await house.office.queue(*outgoing.in_thread(house.channels, run.run_id, key, said))

    def _both(self, run_id: str) -> tuple[Spent, Spent]:
        """What a run cost so far, and what it will have once it has saved its work and ended."""
        house = self._house
        house.meter.flush()
        spent, tally = house.spending.spent(run_id), house.spending.of(run_id)
        ahead = [(0.0, 0.0)]
        for arm in house.store.runs.arms(run_id):
            train_j, train_s = tally.phase(arm.name, "train")
            segments = house.store.runs.segments(arm.arm_id)
            count = sum(bool((s.report or {}).get("checkpoint")) for s in segments)
            save_j, save_s = tally.phase(arm.name, "checkpoint")
            if train_s > 0:
                ahead.append(
                    (
                        save_j / max(1, count) + ENDING_S * train_j / train_s,
                        save_s / max(1, count) + ENDING_S,
                    )
                )
        return spent, spent.plus(*max(ahead))
