"""How good forecasts are, and how much more than its budget a run spends."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np

from adapters.memory import MemoryChat
from bot.app import Bot, running
from bot.bench.figures import BenchError, Figure
from bot.energy.budget import Spent
from bot.energy.foresight import Ahead, Pace, foretell
from bot.settings import Settings
from storage.models import Run, RunState
from trainer.spec import RunSpec, parse_spec

STEPS, STEPS_A_LOOK, VARIES, DRIFTS = 2000, 10, 0.25, 0.06
"""A simulated run: steps whose joules vary by a quarter and drift by up to 6 % on the way."""
BUDGET_SHARE = 0.6
"""Of what a run would take: where its budget ends it."""
TIMEOUT_S = 300.0


async def figures(*, quick: bool) -> tuple[Figure, ...]:
    """Bands over simulated runs; the budget of a real one.

    Raises:
        BenchError: a run did not end as it should.
    """
    runs = 200 if quick else 2000
    covered = {
        steps: await asyncio.to_thread(coverage, runs, steps, np.random.default_rng([steps, 17]))
        for steps in (50, 100, 200)
    }
    spent, budget = await _overshoot(6 if quick else 24)
    return (
        *(
            Figure(
                f"forecast after {n} of {STEPS} steps: ends inside its band", share, "", ">= 0.9"
            )
            for n, share in covered.items()
        ),
        Figure(
            f"budget of {budget:.0f} J: spent of it", spent / budget, "of the budget", "<= 1.01"
        ),
    )


def coverage(runs: int, steps: int, rng: np.random.Generator) -> float:
    """Share of simulated runs that end inside the band foretold after some steps."""
    inside = 0
    for _ in range(runs):
        shape = VARIES**-2
        cost = rng.gamma(shape, 1 / shape, STEPS) * np.linspace(
            1, 1 + rng.uniform(-DRIFTS, DRIFTS), STEPS
        )
        looks = np.split(cost[:steps], steps // STEPS_A_LOOK)
        paces = [Pace(STEPS_A_LOOK, float(look.sum()), float(look.sum())) for look in looks]
        outlook = foretell(Spent(float(cost[:steps].sum())), paces, Ahead(STEPS - steps))
        if outlook is None:
            raise BenchError(f"nothing was foretold after {steps} steps")
        inside += outlook.energy_j.low <= float(cost.sum()) <= outlook.energy_j.high
    return inside / runs


async def _overshoot(epochs: int) -> tuple[float, float]:
    """(spent, budget), in joules: a run as long as it likes tells what the next one may spend."""
    with tempfile.TemporaryDirectory(prefix="joulery-bench-") as folder:
        settings = Settings(_env_file=None, data_dir=Path(folder), web_port=0, trackers=())
        chat = MemoryChat()
        async with running(settings, {chat.name: chat}) as bot, asyncio.timeout(TIMEOUT_S):
            free = await _trained(bot, _spec("", epochs), RunState.FINISHED)
            whole_j = await asyncio.to_thread(_joules, bot, free)
            budget_j = round(BUDGET_SHARE * whole_j)
            held = await _trained(bot, _spec(f"{budget_j}J", epochs), RunState.STOPPED)
            spent_j = await asyncio.to_thread(_joules, bot, held)
    return spent_j, budget_j


async def _trained(bot: Bot, spec: RunSpec, ends: RunState) -> Run:
    run = await bot.rounds.begin(spec, who="the benchmark", arms=("control",))
    run = await bot.rounds.wait(run.run_id)
    if run.state is not ends:
        raise BenchError(f"run {run.run_id} is {run.state}, not {ends}: {run.reason}")
    return run


def _joules(bot: Bot, run: Run) -> float:
    bot.house.meter.flush()
    return bot.house.spending.spent(run.run_id).energy_j


def _spec(budget: str, epochs: int) -> RunSpec:
    return parse_spec(
        {
            "name": "bench", "task": "image-classification", "model": "toy", "budget": budget,
            "data": {"pool": "builtin:digits", "dev": "builtin:digits", "limit": 1200},
            "train": {"epochs": epochs, "patience": 0},
        },
        where="the benchmark's spec",
    )  # fmt: skip
