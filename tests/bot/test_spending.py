"""Running totals: the same as the ledger's own sums, whenever somebody begins to ask."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.energy.foresight import Pace
from bot.energy.outlook import MOST_PACES, joined
from bot.energy.spending import Spending
from storage import energy
from storage.models import PHASES
from tests.storage.records import reading

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
