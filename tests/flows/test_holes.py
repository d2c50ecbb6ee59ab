"""A bot killed while a child computes: the child's joules are booked all the same, and once."""

import pytest

from storage.models import RunState
from tests.flows.served import at_work, is_gone, run_ended, until, write_spec
from trainer.energy.sources import TRAINING_CPU


@pytest.mark.slow
async def test_what_a_child_computes_without_a_bot_is_booked_from_its_report(served, tiny_spec):
    """Killed as soon as the child is at work; it ends alone, and the next bot books what it says."""
    write_spec(served, tiny_spec(ask={"at": []}, train={"epochs": 60}))
    await served.start()
    async with served.guests("Ana") as [ana]:
        await ana.say("/joulery start tiny")
        store = served.store()
        child = await at_work(store, 0)
        served.kill()
        await until(lambda: is_gone(child))
        await served.start()
        run = await run_ended(store)

    (segment,) = store.runs.segments("r1.human")
    rows = store.ledger.of_segment("r1", segment.segment_id)
    booked = [r for r in rows if r.source == TRAINING_CPU]
    gaps = [r for r in booked if r.provenance == "E-gap"]
    said_s = sum(cost["cpu_s"] for cost in segment.report["costs"])

    assert run.state is RunState.FINISHED
    assert [g.phase for g in gaps] == ["other"]
    assert sum(r.energy_j for r in booked) == pytest.approx(4.0 * said_s, rel=0.05, abs=0.5)
