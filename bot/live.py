"""What a run looks like while it runs: its head message, edited in place, and the live chart."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence

from adapters.base import Board, ChatError, HasBoard, Series
from bot import cards, metrics, outgoing, words
from bot.energy.outlook import Foreteller
from bot.history import ArmHistory, Point, histories, is_of
from bot.house import House
from bot.wording import arm_said, kind_of
from storage import energy
from storage.models import Arm, Run, RunState
from trainer.spec import RunSpec

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""How often a moving run is redrawn: each redraw costs joules and a message edit."""


class Live:
    """Draws runs; a watcher of their progress. Progress comes in from other threads."""

    def __init__(self, house: House) -> None:
        self._house = house
        house.watchers.append(self)
        self._foreteller = Foreteller(house)
        house.watchers.append(self._foreteller)
        self._lock = threading.Lock()
        self._doing: dict[tuple[str, str], tuple[str, int, int]] = {}
        self._points: dict[tuple[str, str], dict[int, Point]] = {}  # by samples
        self._votes: dict[str, tuple[int, int, int]] = {}
        self._moved: set[str] = set()
        self._posted: set[str] = set()
        self._shown: dict[str, str] = {}
        self._drawing = asyncio.Lock()  # what is read later is shown later
        self.remark: Callable[[str], Awaitable[str]] = _nothing  # what holds up a run under way

    # --- a watcher ------------------------------------------------------------------------------

    def progress(self, run: Run, arm: str, what: str, done: int, total: int) -> None:
        """An arm got further."""
        with self._lock:
            self._doing[run.run_id, arm] = (what, done, total)
            self._moved.add(run.run_id)

    def evaluated(self, run: Run, arm: str, samples: int, metric: float) -> None:
        """An arm was evaluated: read off what it has cost until now."""
        run_id = run.run_id
        self._house.meter.flush()
        parts = self._house.store.ledger.sums(run_id)
        mine = [p for p in parts if is_of(p, arm)]
        point = Point(samples, energy.total(mine).energy_j, metric)
        with self._lock:
            # a segment that is repeated after a crash passes the same points again
            self._points.setdefault((run_id, arm), {})[samples] = point
            self._moved.add(run_id)

    def votes(self, run_id: str, cards_done: int, cards: int, votes: int) -> None:
        """Votes came in."""
        with self._lock:
            self._votes[run_id] = (cards_done, cards, votes)
            self._moved.add(run_id)

    def news(self, run_id: str, text: str) -> None:
        """Something was said; the thread shows it."""

    def left_s(self, run: Run) -> float | None:
        """Seconds of work that are left of a run; None where that is not foretold."""
        outlook = self._foreteller.now(run)
        return outlook.left_s.value if outlook is not None else None

    def forget_after(self, run_id: str, arm: str, samples: int) -> None:
        """An arm went back: what was evaluated since did not happen."""
        with self._lock:
            known = self._points.get((run_id, arm), {})
            self._points[run_id, arm] = {s: p for s, p in known.items() if s <= samples}
            self._doing.pop((run_id, arm), None)

    # --- drawing --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Redraw what moved, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            with self._lock:
                moved, self._moved = self._moved, set()
            waiting = {place.run_id for place in self._house.slot.waiting}  # others move them up
            for run_id in moved | waiting:
                try:
                    await self.show(run_id)
                except Exception:  # a drawing that fails must not stop training
                    log.exception("run not drawn", extra={"run": run_id})

    async def show(self, run_id: str) -> None:
        """Draw a run as it stands now."""
        async with self._drawing:
            await self._show(run_id)

    async def _show(self, run_id: str) -> None:
        house = self._house
        run = await house.call(house.store.runs.get, run_id)
        if run is None:
            return
        spec = RunSpec.model_validate(run.spec)
        arms = await house.call(house.store.runs.arms, run_id)
        curves = await self._curves(run_id, arms)
        unit = words.unit_for(curve.total.energy_j for curve in curves)
        shown = [self._arm(run, arm, curve, unit) for arm, curve in zip(arms, curves, strict=True)]
        is_estimated = any(curve.total.measured_share < 0.5 for curve in curves)
        outlook = await self._foreteller.lines(run, is_estimated=is_estimated)
        note = await self._note(run)
        card = cards.head(run, spec, shown, note, outlook, house.probe.lines)
        text = card.model_dump_json()
        if self._shown.get(run_id) == text:
            return
        self._shown[run_id] = text
        items = []
        for platform, channel in house.channels.items():
            key = outgoing.head_key(run_id, platform)
            if run_id not in self._posted:
                items.append(outgoing.post(key, platform, channel, card, run_id=run_id))
            items.append(outgoing.edit(key, platform, channel, card))
        self._posted.add(run_id)
        await house.office.queue(*items)
        await self._draw_board(run, curves, unit, note)

    async def _curves(self, run_id: str, arms: Sequence[Arm]) -> list[ArmHistory]:
        """Booked evaluations with their joules, and those of segments still under way."""
        house = self._house
        evaluations = {
            arm.arm_id: await house.call(house.store.runs.evaluations, arm.arm_id) for arm in arms
        }
        parts = await house.call(house.store.ledger.sums, run_id)
        known = {arm.name: self._points.get((run_id, arm.name), {}) for arm in arms}
        if any(e.samples not in known[arm.name] for arm in arms for e in evaluations[arm.arm_id]):
            # heard by a bot before us, or told by nobody's child: read off the whole ledger
            readings = await house.call(house.store.ledger.of_run, run_id)
            for curve in histories(arms, evaluations, readings):
                booked = {point.samples: point for point in curve.points}
                known[curve.name] = booked | known[curve.name]
                self._points[run_id, curve.name] = known[curve.name]
        return [
            ArmHistory(
                arm.name,
                tuple(known[arm.name][samples] for samples in sorted(known[arm.name])),
                energy.total(p for p in parts if is_of(p, arm.name)),
            )
            for arm in arms
        ]

    def _arm(
        self, run: Run, arm: Arm, curve: ArmHistory, unit: words.Unit
    ) -> tuple[str, float, str]:
        what, done, total = self._doing.get((run.run_id, arm.name), ("", 0, 0))
        share = done / total if total and what == "training" else 0.0
        said = [f"{share:.0%}" if share else (what or "waiting")]
        if curve.final_metric is not None:
            kind = kind_of(run.spec)
            said.append(f"{kind.metric} {metrics.said(curve.final_metric, kind)}")
        said.append(words.energy_total(curve.total, unit))
        return arm.name, share, " · ".join(said)

    async def _note(self, run: Run) -> str:
        if run.state is not RunState.ASKING:
            self._votes.pop(run.run_id, None)  # the next round counts from nothing
        if run.state is RunState.ASKING:
            done, cards, votes = self._votes.get(run.run_id, (0, 0, 0))
            if cards:
                counted = f"{done} of {cards} cards answered, {words.plural(votes, 'vote')}"
                return f"Your turn: {counted}."
            return "Your turn: please answer the cards below."
        if run.state.is_moving:
            return await self.remark(run.run_id) or f"{run.state.capitalize()}."
        stands = words.stands(run.state, run.reason)
        return f"{stands[:1].upper()}{stands[1:]}."

    async def _draw_board(
        self, run: Run, curves: Sequence[ArmHistory], unit: words.Unit, note: str
    ) -> None:
        kind = kind_of(run.spec)
        board = Board(
            board_id=run.run_id,
            title=f"Run {run.run_id} {run.name}: {kind.metric} over energy",
            x_label=f"energy, {unit.name}{_label(curves)}",
            y_label=metrics.axis(kind),
            series=tuple(
                Series(
                    name=arm_said(c.name, run.spec),
                    x=tuple(p.energy_j / unit.size_j for p in c.points),
                    y=tuple(metrics.on_axis(p.metric, kind) for p in c.points),
                    is_dashed=c.name != "human",
                )
                for c in curves
            ),
            facts=(
                ("now", note),
                *((arm_said(c.name, run.spec), words.energy_total(c.total, unit)) for c in curves),
            ),
        )
        for platform in self._house.office.platforms.values():
            if isinstance(platform, HasBoard):
                try:
                    await platform.show_board(board)
                except ChatError as err:
                    log.warning("chart not drawn", extra={"reason": str(err)})


async def _nothing(_: str) -> str:
    return ""


def _label(curves: Sequence[ArmHistory]) -> str:
    is_estimated = any(curve.total.measured_share < 0.5 for curve in curves)
    return " (estimated)" if is_estimated else ""
