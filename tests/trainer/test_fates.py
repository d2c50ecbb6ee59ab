"""What became of a sample is written once per segment and found again, by its id."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from trainer import fates
from trainer.fates import FateError, Looked, Reason, read, read_all, write
from trainer.selection import Selection


def looked(n=6, **changes):
    """Six samples of two labels in a pool of ten; the last says the same as the first."""
    values = {
        "rows": np.arange(n) + 4, "ids": [f"pool:{i}" for i in range(n)], "names": ("fruit", "töols"),
        "given": np.array([0, 0, 0, 0, 1, 0]), "group": np.array([0, 1, 2, 3, 4, 0]),
        "said": np.array([0.9, 0.2, *[np.nan] * 3, 0.9]), "out": (), "is_two_sided": False,
    }  # fmt: skip
    return Looked(**(values | changes))


def chosen(keep=(0.9, 0.2, 0.6, 0.4, 0.7, 0.9), weight=(1.2, 0, 0, 0, 0.8, 0), note=""):
    """A selection over the pool of ten, of which the first four were not looked at."""
    rest = [0.5] * 4
    label = np.array([0] * 8 + [1, 0])
    return Selection(
        np.array([0] * 4 + list(weight)), np.array(rest + list(keep)), label, note=note
    )


@pytest.fixture
def path(tmp_path):
    write(tmp_path / fates.FILE, looked(), chosen())
    return tmp_path / fates.FILE


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (0, Reason.KEPT),
        (1, Reason.VOTED_OUT),
        (2, Reason.SURPASSED),
        (3, Reason.DOUBTED),
        (4, Reason.KEPT),
        (5, Reason.COPY),
    ],
)
def test_every_sample_has_a_reason(path, number, reason):
    found, _ = read(path, f"pool:{number}")

    assert found is not None
    assert found.reason is reason


def test_all_of_them_at_once_say_what_each_says_alone(path):
    found = read_all(path)

    assert list(found) == [f"pool:{number}" for number in range(6)]
    for sample_id, (reason, label, keep, weight) in found.items():
        one, _ = read(path, sample_id)
        assert (reason, label, keep, weight) == (one.reason, one.label, one.keep, one.weight)


def test_a_sample_is_told_with_its_place_among_its_label_and_what_it_stands_for(path):
    found, note = read(path, "pool:2")

    assert note == ""
    assert found is not None
    assert (found.given, found.label, found.said) == ("fruit", "fruit", None)
    assert (found.place, found.of, found.kept) == (2, 4, 1)  # behind pool:0 alone; one is taken
    assert math.isclose(found.keep, 0.6, rel_tol=1e-6)


def test_a_copy_is_told_what_stands_for_it_and_what_people_said_of_that(path):
    found, _ = read(path, "pool:5")

    assert found is not None
    assert (found.first, found.copies, found.weight) == ("pool:0", 2, 0.0)
    assert found.said == pytest.approx(0.9)


def test_of_two_sides_a_no_turns_and_only_thrown_out_is_out(tmp_path):
    path = tmp_path / fates.FILE
    write(path, looked(is_two_sided=True, out=(3,)), chosen(weight=(1, 1, 0, 0, 1, 0)))

    assert read(path, "pool:1")[0].reason is Reason.KEPT
    assert read(path, "pool:3")[0].reason is Reason.VOTED_OUT


def test_people_said_no_only_where_they_were_heard(tmp_path):
    """Label names decide: they doubt what people like, and think well of what people do not."""
    write(
        tmp_path / fates.FILE, looked(), chosen(keep=(0.3, 0.8, 0.4, 0.4, 0.7, 0.3), weight=[0] * 6)
    )

    found = [read(tmp_path / fates.FILE, f"pool:{number}")[0].reason for number in range(3)]

    assert found == [Reason.DOUBTED, Reason.SURPASSED, Reason.DOUBTED]


def test_a_sample_that_was_not_looked_at_has_none(path):
    assert read(path, "pool:99") == (None, "")
    assert read(path, "pool:") == (None, "")


def test_why_votes_do_not_spread_is_kept(tmp_path):
    write(tmp_path / "v.npz", looked(), chosen(note="they do not generalise"))

    assert read(tmp_path / "v.npz", "pool:0")[1] == "they do not generalise"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"not an archive"])
def test_a_damaged_file_is_said_to_be(tmp_path, content):
    path = tmp_path / fates.FILE
    path.write_bytes(content)

    with pytest.raises(FateError, match=r"cannot read .*fates\.npz"):
        read(path, "pool:0")


def test_a_large_pool_stays_cheap(tmp_path):
    """Far above what it takes (0.2 s, 0.03 s and 1.3 MB): a loop would show."""
    n, rng = 100_000, np.random.default_rng(0)
    many = looked(
        rows=np.arange(n), ids=[f"pool:{i}" for i in range(n)], given=rng.integers(0, 2, n),
        group=np.arange(n), said=np.full(n, np.nan),
    )  # fmt: skip
    keep = rng.random(n)
    begun = time.process_time()
    write(tmp_path / "v.npz", many, Selection(keep, keep, rng.integers(0, 2, n)))
    written = time.process_time()
    found, _ = read(tmp_path / "v.npz", "pool:99999")

    assert found is not None
    assert written - begun < 5
    assert time.process_time() - written < 2
    assert (tmp_path / "v.npz").stat().st_size < 40 * n
