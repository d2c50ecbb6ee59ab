"""Watching what training costs, and telling the run's thread what it will come to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot import outgoing
from bot.energy import foresight
from bot.energy.budget import parse
from bot.energy.foresight import Ahead, Cost, Outlook, Pace
from bot.energy.spending import Tally
from bot.house import House
from bot.steps import pauses
from storage.models import Arm, ArmState, Run
from trainer.spec import RunSpec

LOOK_EVERY_S = 2.0
"""Seconds of training between two looks at what it cost."""
MOST_PACES = 200
"""Looks that are kept: the older half is joined in pairs when there are more."""
ONCE_A_SEGMENT = ("load", "score", "checkpoint")


class Foreteller:
    """Keeps what training cost step by step; a watcher. Progress comes in from other threads."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._paces: dict[str, list[Pace]] = {}  # run -> its training, all arms
        self._last: dict[tuple[str, str], _Look] = {}
        self._evaluations: Counter[tuple[str, str]] = Counter()

    def progress(self, run: Run, arm: str, what: str, done: int, total: int) -> None:
        """An arm got further: now and then, look at what that cost."""
        if what != "training":
            return
        joules, seconds = self._house.spending.of(run.run_id).phase(arm, "train")
        look = _Look(done, total, joules, seconds)
        train = RunSpec.model_validate(run.spec).train
        with self._lock:
            last = self._last.get((run.run_id, arm))
            if last is None or done < last.samples:  # repeated after a crash
                self._last[run.run_id, arm] = look
            elif seconds - last.seconds >= LOOK_EVERY_S and done > last.samples:
                self._last[run.run_id, arm] = look
                if last.samples >= train.warmup_steps * train.batch_size:
                    paces = [*self._paces.get(run.run_id, ()), look.since(last)]
                    self._paces[run.run_id] = joined(paces) if len(paces) > MOST_PACES else paces

    def evaluated(self, run: Run, arm: str, samples: int, metric: float) -> None:
        """An arm was evaluated."""
        with self._lock:
            self._evaluations[run.run_id, arm] += 1

    def votes(self, run_id: str, cards_done: int, cards: int, votes: int) -> None:
        """People's time is foretold by nobody."""

    def news(self, run_id: str, text: str) -> None:
        """Something was said."""

    def now(self, run: Run) -> Outlook | None:
        """What a run will have cost by its planned end.

        None before its training was watched for a while, and once it has ended.
        """
        with self._lock:
            if run.state.is_final:
                self._forget(run.run_id)
            paces = self._paces.get(run.run_id, ())
        if not paces:
            return None
        spending = self._house.spending
        ahead = self._ahead(run, spending.of(run.run_id))
        return foresight.foretell(spending.spent(run.run_id), paces, ahead)

    def _forget(self, run_id: str) -> None:
        self._paces.pop(run_id, None)
        for kept in (self._last, self._evaluations):
            for key in [key for key in kept if key[0] == run_id]:
                del kept[key]

    def _ahead(self, run: Run, tally: Tally) -> Ahead:
        """What is left of the plan of all arms."""
        spec, arms = RunSpec.model_validate(run.spec), self._house.store.runs.arms(run.run_id)
        with self._lock:
            looks = {
                arm: look for (run_id, arm), look in self._last.items() if run_id == run.run_id
            }
        planned = max((look.planned for look in looks.values()), default=0)
        left, others = 0, []
        for arm in arms:
            if arm.state in (ArmState.DONE, ArmState.FAILED) or not planned:
                continue
            look = looks.get(arm.name)
            own = look.planned if look is not None else planned  # less where it left samples out
            done = min(own, max(self._saved(arm), look.samples if look is not None else 0))
            left += own - done
            pauses_left = sum(pause > done / own for pause in pauses(arm.name, spec.ask))
            evaluations_left = round(spec.train.evaluations * (1 - done / own))
            known = arm if look is not None else next(a for a in arms if a.name in looks)
            others.append((evaluations_left, self._evaluation(run, known, tally)))
            segments_left = max(0, pauses_left - (look is not None))
            others.append((segments_left, self._segment(known, tally)))
        return Ahead(left, tuple(others))

    def _saved(self, arm: Arm) -> int:
        """Samples an arm was trained on by its newest checkpoint, maybe under a bot before us."""
        found = self._house.store.runs.checkpoints(arm.arm_id)
        return found[-1].samples if found else 0

    def _evaluation(self, run: Run, arm: Arm, tally: Tally) -> Cost:
        with self._lock:
            seen = self._evaluations[run.run_id, arm.name]
        booked = len(self._house.store.runs.evaluations(arm.arm_id))
        return _per(tally, arm.name, ("evaluate",), max(seen, booked))

    def _segment(self, arm: Arm, tally: Tally) -> Cost:
        """Loading, scoring and saving, which every further segment begins and ends with."""
        segments = len(self._house.store.runs.segments(arm.arm_id))
        return _per(tally, arm.name, ONCE_A_SEGMENT, segments)

    async def lines(self, run: Run, *, is_estimated: bool) -> tuple[str, ...]:
        """What the head message says of the end and of the budget; the thread hears it once."""
        house = self._house
        outlook = await house.call(self.now, run)
        budget = parse(run.budget) if run.budget else None
        spent = await house.call(house.spending.spent, run.run_id)
        if outlook is None:
            return (f"Used: {budget.said(spent)}.",) if budget is not None else ()
        found = [foresight.said(outlook, is_estimated=is_estimated)]
        if budget is not None:
            found.append(foresight.against_budget(outlook, spent, budget))
        key = f"forecast:{run.run_id}"
        said = outgoing.in_thread(house.channels, run.run_id, key, " ".join(found))
        await house.office.queue(*said)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _Look:
    """Where an arm's training stood, and what it had cost."""

    samples: int
    planned: int
    energy_j: float
    seconds: float

    def since(self, before: _Look) -> Pace:
        """What lies between two looks."""
        return Pace(
            self.samples - before.samples,
            self.energy_j - before.energy_j,
            self.seconds - before.seconds,
        )


def joined(paces: Sequence[Pace]) -> list[Pace]:
    """The older half joined in pairs."""
    half = len(paces) // 4 * 2
    older = [
        Pace(a.samples + b.samples, a.energy_j + b.energy_j, a.seconds + b.seconds)
        for a, b in zip(paces[:half:2], paces[1:half:2], strict=True)
    ]
    return [*older, *paces[half:]]


def _per(tally: Tally, arm: str, phases: Sequence[str], times: int) -> Cost:
    if not times:
        return Cost()
    found = [tally.phase(arm, phase) for phase in phases]
    return Cost(sum(j for j, _ in found) / times, sum(s for _, s in found) / times)
