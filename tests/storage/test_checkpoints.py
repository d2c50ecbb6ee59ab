"""The last checkpoints and the best are kept; an arm can go back to one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.database import StoreError
from storage.models import ArmState, Checkpoint, Evaluation, SegmentState
from storage.store.checkpoints import LAST, best, kept
from tests.storage.records import at, new_run, segment

ARM = "r1.human"


def checkpoint(samples):
    return Checkpoint(
        arm_id=ARM, samples=samples, path=f"ck-{samples}", weights_sha256="0" * 64, created_at=at(1)
    )


def point(samples, dev):
    return Evaluation(arm_id=ARM, samples=samples, metric=0.5, dev_metric=dev, at=at(samples))


def trained(store, n, samples, dev, outcome="done"):
    """A segment that was trained to `samples` and evaluated there."""
    part = segment(ARM, n)
    store.runs.plan_segment(part)
    store.runs.book_report(
        part,
        {
            "lease_token": part.lease_token, "outcome": outcome,
            "checkpoint": {"samples": samples},
        },
        planned_samples=100,
        checkpoint=checkpoint(samples),
        evaluations=[point(samples, dev)],
        now=at(n),
    )  # fmt: skip
    return part


def there(store):
    return [c.samples for c in store.runs.checkpoints(ARM)]


def history(store):
    return [e.samples for e in store.runs.evaluations(ARM)]


@pytest.fixture
def run(store):
    return new_run(store)


def test_the_best_is_the_first_whose_last_dev_metric_is_highest():
    points = [point(5, 0.9), point(10, 0.4), point(20, 0.8), point(30, 0.8), point(40, None)]
    checkpoints = [checkpoint(n) for n in (10, 20, 30, 40)]

    assert best(checkpoints, points) == 20  # at 10 it was 0.4 by then, whatever it was at 5
    assert best(checkpoints, []) is None
    assert best([], points) is None


@given(
    st.sets(st.integers(0, 50)),
    st.dictionaries(st.integers(0, 50), st.floats(0, 1)),
)
def test_never_more_than_three_are_kept_and_the_newest_always_is(samples, metrics):
    checkpoints = [checkpoint(n) for n in samples]
    stay = kept(checkpoints, [point(n, dev) for n, dev in metrics.items()])

    assert stay <= samples
    assert set(sorted(samples)[-LAST:]) <= stay
    assert len(stay) <= LAST + 1


def test_all_but_the_last_two_and_the_best_are_forgotten(store, run):
    for n, (samples, dev) in enumerate([(10, 0.5), (20, 0.9), (30, 0.6), (40, 0.7), (50, 0.6)]):
        trained(store, n, samples, dev)

    for _ in range(2):
        store.checkpoints.prune(ARM)

    assert there(store) == [20, 40, 50]
    assert history(store) == [10, 20, 30, 40, 50]  # its history is whole


@pytest.mark.parametrize("is_started", [False, True], ids=["planned", "running"])
def test_nothing_is_forgotten_while_a_plan_may_name_it(store, run, is_started):
    for n in range(4):
        trained(store, n, 10 * (n + 1), n / 10)
    store.runs.plan_segment(segment(ARM, 4))
    if is_started:
        store.runs.started(f"{ARM}.4.1", {"pid": 7})

    store.checkpoints.prune(ARM)

    assert there(store) == [10, 20, 30, 40]
    with pytest.raises(StoreError, match="still saves its work"):
        store.checkpoints.go_back(ARM, 10)


def test_gone_back_all_that_came_after_counts_as_if_it_had_not_happened(store, run):
    for n in range(4):
        trained(store, n, 10 * (n + 1), 0.5)
    store.runs.move_arm(ARM, ArmState.DONE)

    gone = store.checkpoints.go_back(ARM, 20)

    assert [c.samples for c in gone] == [30, 40]
    assert (there(store), history(store)) == ([10, 20], [10, 20])
    states = [s.state for s in store.runs.segments(ARM)]
    assert states == [SegmentState.DONE] * 2 + [SegmentState.UNDONE] * 2
    assert store.runs.arms("r1")[0].state is ArmState.ACTIVE
    assert store.runs.segments(ARM)[3].report["checkpoint"]["samples"] == 40  # still to be read


def test_a_point_that_is_reached_again_is_a_new_one(store, run):
    for n in range(3):
        trained(store, n, 10 * (n + 1), 0.5)
    store.checkpoints.go_back(ARM, 10)

    trained(store, 3, 20, 0.8)

    assert [(e.samples, e.dev_metric) for e in store.runs.evaluations(ARM)] == [
        (10, 0.5),
        (20, 0.8),
    ]


def test_a_place_that_is_not_kept_cannot_be_gone_back_to(store, run):
    trained(store, 0, 10, 0.5)

    with pytest.raises(StoreError, match="no checkpoint after 5 samples"):
        store.checkpoints.go_back(ARM, 5)
    assert there(store) == [10]


def test_a_pause_whose_questions_were_cut_off_counts_as_not_reached(store, run):
    for n in range(2):
        trained(store, n, 10 * (n + 1), 0.5)

    for _ in range(2):
        store.checkpoints.unask(ARM)

    assert [s.report["outcome"] for s in store.runs.segments(ARM)] == ["done", "stopped"]
    store.checkpoints.unask("r1.control")  # never trained: nothing to do
