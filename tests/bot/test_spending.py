"""Running totals: the same as the ledger's own sums, whenever somebody begins to ask."""

import itertools
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.energy.budget import BudgetError
from bot.energy.budgets import Budgets
from bot.energy.foresight import Pace
from bot.energy.outlook import LOOK_EVERY_S, MOST_PACES, Foreteller, joined
from bot.energy.spending import Spending
from storage import energy
from storage.models import PHASES, Checkpoint
from tests.storage.records import T0, new_run, reading, segment
from trainer.energy.sources import TRAINING_CPU
from trainer.spec import RunSpec

NUMBERS = itertools.count(1)

rows = st.lists(
    st.builds(
        lambda phase, arm, source, joules: {
            "phase": phase, "arm": arm, "source": source, "energy_j": joules,
        },
        st.sampled_from(PHASES), st.sampled_from(["human", None]),
        st.sampled_from(["nvml", "cpu"]), st.none() | st.floats(0, 100),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=rows, after=rows)
def test_totals_are_those_of_the_ledger(store, before, after):
    spending, run_id = Spending(store.ledger), f"r{next(NUMBERS)}"
    parts = [
        reading(i, run_id=run_id, boot_id=run_id, **changes)
        for i, changes in enumerate([*before, *after])
    ]
    spending.add(parts[: len(before)])
    spending.of(run_id)

    spending.add(parts[len(before) :])
    spending.add(parts)  # a batch that comes again

    assert spending.spent(run_id).energy_j == pytest.approx(
        energy.total(store.ledger.sums(run_id)).energy_j
    )


def test_sources_are_read_side_by_side_and_waiting_is_no_work(store):
    spending = Spending(store.ledger)
    spending.add(
        [
            reading(0, 5.0, seconds=3.0),
            reading(0, 7.0, seconds=3.0, source="cpu"),
            reading(3, 1.0, seconds=60.0, phase="wait"),
            reading(63, 1.0, seconds=2.0, phase="evaluate"),
        ]
    )

    assert spending.spent("r1").busy_s == 5
    assert spending.of("r1").phase("human", "train") == (12, 3)


def test_a_hole_that_a_counter_filled_is_no_work_and_one_that_the_child_filled_is(store):
    """Two hours without a bot use up no budget of time; what the child says it computed does."""
    spending = Spending(store.ledger)
    spending.add(
        [
            reading(0, 5.0, seconds=3.0),
            reading(3, 70.0, seconds=7200.0, phase="other", provenance="E-gap"),
            reading(3, 9.0, seconds=20.0, phase="other", provenance="E-gap", source=TRAINING_CPU),
        ]
    )

    assert spending.spent("r1").busy_s == 20
    assert spending.spent("r1").energy_j == 84


def test_how_joules_are_known_is_told_like_the_ledgers_total(store):
    spending = Spending(store.ledger)
    spending.add(
        [
            reading(0, 80.0),
            reading(1, 40.0, phase="wait"),
            reading(1, 30.0, source="cpu", provenance="E-tdp"),
            reading(2, None),
        ]
    )
    whole = energy.total(store.ledger.sums("r1"))

    for spent in (spending.spent("r1"), Spending(store.ledger).spent("r1")):
        assert spent.relative_u == pytest.approx(whole.u_j / whole.energy_j)
        assert spent.measured_share == pytest.approx(whole.measured_share)


def test_grams_are_told_where_a_country_is_set(store):
    spending = Spending(store.ledger, grams_per_kwh=400.0)
    spending.add([reading(0, 3.6e6)])

    assert spending.spent("r1").carbon_g == pytest.approx(400)
    assert Spending(store.ledger).spent("r1").carbon_g is None


def test_looks_are_joined_without_losing_any():
    paces = [Pace(i, 2.0 * i, 3.0 * i) for i in range(1, MOST_PACES + 2)]

    found = joined(paces)

    assert len(found) < len(paces)
    assert found[-1] == paces[-1]
    for name in ("samples", "energy_j", "seconds"):
        assert sum(getattr(p, name) for p in found) == sum(getattr(p, name) for p in paces)


async def test_what_was_stopped_for_its_budget_does_not_go_on_with_what_is_left_of_it(store):
    """100 J of 104 are spent, at 10 W: the two seconds until a checkpoint is kept would be 120."""
    run, spending = new_run(store, budget="104J"), Spending(store.ledger)
    spending.add([reading(n, 10.0, run_id=run.run_id) for n in range(10)])

    async def call(method, *args):
        return method(*args)

    meter = SimpleNamespace(flush=lambda: None)
    house = SimpleNamespace(store=store, spending=spending, call=call, meter=meter)
    budgets = Budgets(house, call)

    with pytest.raises(BudgetError, match="used up"):
        await budgets.refuse_used_up(run)
    await budgets.refuse_used_up(run.model_copy(update={"budget": "130J"}))


# --- foretold -----------------------------------------------------------------------------------


@pytest.fixture
def watched(store):
    """A foreteller, and a run whose arm `human` is trained on 10 samples and 10 J each look."""
    spending = Spending(store.ledger)
    spec = RunSpec.model_validate(
        {"name": "n", "model": "toy", "data": {"pool": "csv:x.csv"}, "ask": {"at": [0.5]}}
    ).model_copy()
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"warmup_steps": 0})})
    run = new_run(store, spec=spec.model_dump(mode="json"))
    teller = Foreteller(SimpleNamespace(spending=spending, store=store))

    def train(looks, planned=100):
        for n in range(looks):
            spending.add([reading(1000 + n, 10.0, run_id=run.run_id, seconds=LOOK_EVERY_S)])
            teller.progress(run, "human", "training", 10 * (n + 1), planned)
        return teller.now(run)

    return SimpleNamespace(run=run, store=store, train=train)


def test_both_arms_are_foretold_at_the_pace_of_the_one_that_trains(watched):
    """1 J a sample: 60 of 100 are done, and 100 of the control's are left."""
    assert watched.train(6).energy_j.value == pytest.approx(60 + 40 + 100)


def test_what_an_arm_was_trained_on_under_a_bot_before_us_is_not_foretold_again(watched):
    saved(watched.store, f"{watched.run.run_id}.control", 70)

    assert watched.train(6).energy_j.value == pytest.approx(60 + 40 + 30)


def test_at_its_end_an_arm_costs_nothing_more_and_gives_nothing_back(watched):
    """Nor where it ended earlier than the others will: samples were left out."""
    saved(watched.store, f"{watched.run.run_id}.control", 60)
    outlook = watched.train(6, planned=60)

    assert outlook.energy_j.low == outlook.energy_j.high == 60
    assert outlook.left_s.value == 0


def saved(store, arm_id, samples):
    part = segment(arm_id)
    store.runs.plan_segment(part)
    checkpoint = Checkpoint(
        arm_id=arm_id, samples=samples, path="c", weights_sha256="0", created_at=T0
    )
    assert store.runs.book_report(
        part, {"lease_token": part.lease_token}, planned_samples=100, checkpoint=checkpoint,
        evaluations=[], now=T0,
    )  # fmt: skip
