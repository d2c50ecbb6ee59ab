"""The energy ledger: append-only, and its sums are the sums of its rows."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import energy
from storage.models import PHASES, PROVENANCE_WORDS, EnergyCounter
from tests.storage.records import at, in_threads, reading


def keyed(sums):
    """Sums by what they are of, for comparison whatever their order."""
    rows = {(s.arm, s.phase, s.device, s.source, s.provenance): s for s in sums}
    assert len(rows) == len(sums)
    return {
        key: pytest.approx((s.energy_j, s.duration_s, s.unknown_s), rel=1e-9, abs=1e-9)
        for key, s in rows.items()
    }


def plain(sums):
    return {
        (s.arm, s.phase, s.device, s.source, s.provenance): (s.energy_j, s.duration_s, s.unknown_s)
        for s in sums
    }


def test_a_reading_appended_twice_is_stored_once(store):
    store.ledger.add([reading(0, 5.0), reading(1, 6.0)])
    store.ledger.add([reading(1, 99.0), reading(2, 7.0)])

    assert [r.energy_j for r in store.ledger.of_run("r1")] == [5.0, 6.0, 7.0]


@pytest.mark.parametrize("part", ["boot_id", "source", "device", "seq"])
def test_readings_that_differ_in_any_part_of_their_key_are_two(store, part):
    first = reading(0, 5.0)
    other = first.model_copy(update={part: 9 if part == "seq" else "other"})

    store.ledger.add([first, other])

    assert len(store.ledger.of_run("r1")) == 2


def test_a_reading_comes_back_as_it_was_written(store):
    written = reading(3, None, 0.25, arm=None, segment_id="r1.human.0.1", provenance="E-gap")
    store.ledger.add([written])

    assert store.ledger.of_run("r1") == [written]


def test_readings_come_oldest_first(store):
    store.ledger.add([reading(2, 1.0), reading(0, 2.0)])
    store.ledger.add([reading(1, 3.0)])

    assert [r.seq for r in store.ledger.of_run("r1")] == [0, 1, 2]


def test_a_runs_joules_are_its_own(store):
    store.ledger.add([reading(0, 5.0), reading(1, 6.0, run_id="r2"), reading(2, 7.0, run_id=None)])

    assert [s.energy_j for s in store.ledger.sums("r1")] == [5.0]
    assert store.ledger.sums("r9") == []


def test_what_began_in_a_span_of_time_includes_its_start_and_not_its_end(store):
    store.ledger.add([reading(n, 1.0, run_id=None) for n in range(5)])

    assert [r.seq for r in store.ledger.between(at(1), at(3))] == [1, 2]


def test_an_unknown_reading_is_missing_not_zero(store):
    """5 J + unknown for 2 s: 5 J are known, and 2 s are said to be missing."""
    store.ledger.add([reading(0, 5.0), reading(1, None, 2.0)])

    (found,) = store.ledger.sums("r1")
    assert (found.energy_j, found.duration_s, found.unknown_s) == (5.0, 3.0, 2.0)


def test_a_source_that_was_never_read_is_unknown_all_along(store):
    store.ledger.add([reading(0, None, 4.0)])

    (found,) = store.ledger.sums("r1")
    assert (found.energy_j, found.duration_s, found.unknown_s) == (0.0, 4.0, 4.0)


def test_a_zero_that_was_measured_is_known(store):
    store.ledger.add([reading(0, 0.0, 4.0)])

    (found,) = store.ledger.sums("r1")
    assert (found.energy_j, found.unknown_s) == (0.0, 0.0)


def test_readings_from_many_threads_are_all_kept(store):
    in_threads(8, lambda i: store.ledger.add([reading(10 * i + n, 1.0) for n in range(5)]))

    (found,) = store.ledger.sums("r1")
    assert found.energy_j == 40.0


def test_sums_in_the_database_are_the_sums_in_python(store):
    readings = [
        reading(n, None if n % 5 == 0 else n / 3, arm=arm, phase=phase, device=device)
        for n, (arm, phase, device) in enumerate(
            itertools.product(["human", "control", None], ["load", "train"], ["GPU-1", "ram"] * 3)
        )
    ]
    store.ledger.add(readings)

    assert plain(store.ledger.sums("r1")) == keyed(energy.sums(readings))


_runs = itertools.count()
slices = st.builds(
    dict,
    energy_j=st.none() | st.floats(0, 1e6),
    seconds=st.floats(0.001, 100),
    arm=st.sampled_from(["human", "control", None]),
    phase=st.sampled_from(PHASES),
    device=st.sampled_from(["GPU-1", "ram"]),
    provenance=st.sampled_from(sorted(PROVENANCE_WORDS)),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(slices, max_size=12))
def test_whatever_was_read_the_database_adds_it_up_as_python_does(shared_store, parts):
    run_id = f"r{next(_runs)}"
    readings = [reading(n, run_id=run_id, boot_id=run_id, **part) for n, part in enumerate(parts)]
    shared_store.ledger.add(readings)

    assert plain(shared_store.ledger.sums(run_id)) == keyed(energy.sums(readings))
    assert shared_store.ledger.of_run(run_id) == readings


# --- minutes ------------------------------------------------------------------------------------


def test_a_reading_across_a_minutes_end_counts_in_both():
    """Noon is a minute's start: [58, 61) lies two thirds in the first minute, a third in the next."""
    first, second = energy.minutes([reading(58, 9.0, seconds=3)])

    assert (first.minute, first.energy_j, first.duration_s) == (at(0), pytest.approx(6), 2)
    assert (second.minute, second.energy_j, second.duration_s) == (at(60), pytest.approx(3), 1)


def test_a_minute_grows_with_its_readings(store):
    store.ledger.add([reading(0, 5.0), reading(1, None)])
    store.ledger.add([reading(2, 6.0), reading(61, 7.0)])

    first, second = store.ledger.minutes(at(0), at(120))

    assert (first.energy_j, first.duration_s, first.unknown_s) == (11, 3, 1)
    assert first.note == "the counter could not be read"
    assert second.energy_j == 7


def test_a_reading_appended_twice_counts_once_in_its_minute(store):
    store.ledger.add([reading(0, 5.0), reading(1, 6.0)])
    store.ledger.add([reading(1, 6.0), reading(2, 7.0)])

    (minute,) = store.ledger.minutes(at(0), at(60))

    assert minute.energy_j == 18


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 600), st.floats(0, 400), st.none() | st.floats(0, 1e6)), max_size=8
    )
)
def test_minutes_hold_all_joules_and_seconds(parts):
    readings = [reading(0, j, s, started_at=at(b), ended_at=at(b + s)) for b, s, j in parts]

    found = energy.minutes(readings)

    assert sum(m.energy_j for m in found) == pytest.approx(sum(j or 0 for *_, j in parts))
    assert sum(m.duration_s for m in found) == pytest.approx(sum(s for _, s, _ in parts))


def test_the_newest_reading_of_a_counter_tells_whom_it_ran_for(store):
    counter = EnergyCounter(
        boot_id="boot", source="nvml", device="GPU-1", value_j=7.0, at=at(0), clock_s=100.0
    )
    store.ledger.add(
        [
            reading(5, 1.0, arm="human"),
            reading(7, 1.0, arm="control"),
            reading(6, 1.0, arm="human"),
            reading(8, 1.0, arm="other", device="GPU-2"),
            reading(9, 1.0, arm="other", boot_id="an earlier boot"),
        ]
    )

    assert store.ledger.newest(counter).arm == "control"
    assert store.ledger.newest(counter.model_copy(update={"device": "GPU-9"})) is None


def test_a_segments_readings_are_its_own(store):
    store.ledger.add(
        [
            reading(0, 1.0, segment_id="r1.human.0.1"),
            reading(1, 2.0, segment_id="r1.human.0.2"),
            reading(2, 3.0),
        ]
    )

    assert [r.energy_j for r in store.ledger.of_segment("r1", "r1.human.0.1")] == [1.0]


def test_counters_that_are_given_up_are_nobodys(store):
    counter = EnergyCounter(
        boot_id="boot", source="nvml", device="GPU-1", value_j=7.0, at=at(0), clock_s=100.0
    )
    other = counter.model_copy(update={"boot_id": "another boot"})
    store.ledger.add([], [counter, other])
    store.ledger.forget_counters("boot")

    assert store.ledger.counters("boot") == []
    assert store.ledger.counters("another boot") == [other]


def test_counters_stand_where_they_were_last_booked(store):
    counter = EnergyCounter(
        boot_id="boot", source="nvml", device="GPU-1", value_j=7.0, at=at(0), clock_s=100.0
    )
    later = counter.model_copy(update={"value_j": 9.0, "at": at(1), "clock_s": 101.0})
    store.ledger.add([], [counter])
    store.ledger.add([reading(0, 2.0)], [later])

    assert store.ledger.counters("boot") == [later]
    assert store.ledger.counters("another boot") == []


# --- days and their compaction ------------------------------------------------------------------


def test_a_day_is_summed_up_from_its_minutes_by_run(store):
    store.ledger.add([reading(0, 5.0), reading(60, 7.0), reading(120, 100.0)])
    store.ledger.add([reading(3, 11.0, run_id=None, arm=None, phase="bot", source="cpu")])

    found = store.ledger.sums_between(at(0), at(120))

    assert {run: [p.energy_j for p in parts] for run, parts in found.items()} == {
        "r1": [12.0],
        "": [11.0],
    }
    assert found[""][0].arm is None


def test_gaps_and_reasons_are_remarked_upon(store):
    store.ledger.add([reading(0, 5.0), reading(60, None), reading(120, 9.0, provenance="E-gap")])

    found = store.ledger.remarks(at(0), at(600))

    assert [(m.minute, m.note) for m in found] == [
        (at(60), "the counter could not be read"),
        (at(120), ""),
    ]


def test_old_readings_are_folded_to_minutes_and_nothing_is_lost(store):
    """200 s of two phases: 1 s slices become a slice a minute and phase; later ones stay."""
    old = [reading(n, 2.0, phase="train" if n % 2 else "score") for n in range(200)]
    new = [reading(n, 3.0) for n in range(7200, 7210)]
    store.ledger.add([*old, *new])
    before = store.ledger.sums("r1"), store.ledger.minutes(at(0), at(9000))

    had, have = store.ledger.compact(at(3600))

    assert (had, have) == (200, 8)
    assert sorted(map(str, store.ledger.sums("r1"))) == sorted(map(str, before[0]))
    assert store.ledger.minutes(at(0), at(9000)) == before[1]
    kept = store.ledger.of_run("r1")
    assert len(kept) == 18
    assert [r.duration_s for r in kept[-10:]] == [1.0] * 10
    assert store.ledger.compact(at(3600)) == (0, 0)


def test_what_is_not_known_stays_unknown_when_it_is_folded():
    folded = energy.fold([reading(0, 5.0), reading(1, None), reading(2, None), reading(3, 1.0)])

    assert sorted((r.energy_j, r.duration_s, r.note) for r in folded if r.energy_j is not None) == [
        (6.0, 2.0, "")
    ]
    [unknown] = [r for r in folded if r.energy_j is None]
    assert (unknown.duration_s, unknown.note) == (2.0, "the counter could not be read")
