"""A run's curves as they stand now: the metric over energy, all arms in one picture."""

from __future__ import annotations

from pathlib import Path

from adapters.base import Picture
from bot import metrics, pictures
from bot.history import histories
from bot.house import House
from bot.wording import arm_said, kind_of
from storage.models import Run


class PlotError(Exception):
    """There is nothing to draw, or it could not be drawn; the text says which."""


async def plot(house: House, run: Run) -> tuple[str, Picture]:
    """(what is seen, the picture) of a run as it stands.

    Raises:
        PlotError: nothing was evaluated yet, or drawing failed.
    """
    await house.call(house.meter.flush)
    store = house.store
    arms = await house.call(store.runs.arms, run.run_id)
    evaluations = {a.arm_id: await house.call(store.runs.evaluations, a.arm_id) for a in arms}
    readings = await house.call(store.ledger.of_run, run.run_id)
    found = [one for one in histories(arms, evaluations, readings) if one.points]
    if not found:
        raise PlotError(f"nothing of run {run.run_id} was evaluated yet; say plot once it trains")
    kind = kind_of(run.spec)
    title = f"Run {run.run_id} {run.name}: {kind.metric} over energy"
    # by what it shows: one that is still under way to a chat is not drawn over
    shown = "-".join(str(one.points[-1].samples) for one in found)
    path = Path(run.folder) / "plots" / f"{len(found)}-{shown}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not await pictures.draw(pictures.live(found, run.spec, title), path):
        raise PlotError("the picture could not be drawn; the bot's log says why")
    last = ", ".join(
        f"{arm_said(one.name, run.spec)} {metrics.said(one.final_metric, kind)}"
        for one in found
        if one.final_metric is not None
    )
    return f"{title}. So far: {last}.", Picture(path=str(path), alt=f"{title}: {last}")
