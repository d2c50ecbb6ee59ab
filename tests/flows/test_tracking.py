"""A run as its trackers see it; and a tracker that fails is no matter of the run's."""

from __future__ import annotations

import json

from storage.models import RunState
from tests.bot.test_tracking import events_in
from tests.flows.people import vote_until_ended


def numbers(folder):
    """(arm, tag, step) -> values, of all event files."""
    found = {}
    for path in folder.glob("tensorboard/*/*/events*"):
        for event in events_in(path):
            for value in event.summary.value:
                key = (path.parent.name, value.tag, event.step)
                found.setdefault(key, []).append(value.simple_value)
    return found


async def test_tensorboard_has_every_evaluation_with_its_joules_once(
    open_bot, settings, chat, tiny_spec
):
    async with open_bot(trackers=("tensorboard",)) as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana", arms=("human", "control"))
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED
        store = bot.house.store
        evaluations = {a.name: store.runs.evaluations(a.arm_id) for a in store.runs.arms("r1")}
    async with open_bot(trackers=("tensorboard",)):
        pass  # nothing is left to be told

    found = numbers(settings.data_dir)
    assert {step for arm, tag, step in found if (arm, tag) == ("human", "accuracy")} == {
        point.samples for point in evaluations["human"]
    }
    for arm, points in evaluations.items():
        joules = [found[arm, "energy_j", point.samples] for point in points]
        assert all(len(values) == 1 for values in joules)
        assert joules == sorted(joules)
        assert joules[-1][0] > 0
    assert ("human", "pool_dropped", evaluations["human"][-1].samples) in found
    told = json.loads((settings.runs_dir / "r1" / "tracked.json").read_text())
    assert set(told["tensorboard"]) == {"human", "control"}


async def test_a_tracker_that_fails_is_logged_once_and_the_run_goes_on(
    open_bot, settings, chat, tiny_spec, caplog
):
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "tensorboard").write_text("a file where a folder should be")

    async with open_bot(trackers=("tensorboard",)) as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        assert (await vote_until_ended(chat, bot, run)).state is RunState.FINISHED

    said = [r.getMessage() for r in caplog.records if "a tracker was not told" in r.getMessage()]
    assert len(said) == 1
    assert "tensorboard: " in said[0]
