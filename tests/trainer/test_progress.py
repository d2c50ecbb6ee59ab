"""When training has got as far as it gets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.progress import Progress

metrics = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=20)


def course(*devs: float) -> Progress:
    """Evaluations of these metrics, every ten samples."""
    progress = Progress()
    for number, dev in enumerate(devs):
        progress = progress.after(dev, 10 * number)
    return progress


@settings(deadline=None)
@given(metrics)
def test_the_best_is_the_first_of_the_highest(devs):
    progress = course(*devs)

    first = devs.index(max(devs))
    assert progress == Progress(max(devs), 10 * first, len(devs) - 1 - first)


def test_even_a_metric_of_zero_is_better_than_none():
    assert course(0.0) == Progress(0.0, 0, 0)


def test_as_good_as_before_is_no_better():
    assert course(0.5, 0.5, 0.5).flat == 2


@settings(deadline=None)
@given(metrics, st.integers(1, 5))
def test_it_is_flat_after_as_many_evaluations_as_there_is_patience(devs, patience):
    progress = course(*devs)

    assert progress.is_flat(patience) == (progress.flat >= patience)
    assert not progress.is_flat(0)


@settings(deadline=None)
@given(metrics)
def test_afresh_is_the_same_best_with_all_patience_ahead(devs):
    progress = course(*devs)

    again = progress.afresh()

    assert (again.best, again.best_samples) == (progress.best, progress.best_samples)
    assert not again.is_flat(1)
