"""What aggregation is worth on crowds: a small one by hand, then the real ones."""

from pathlib import Path

import pytest

from bot.bench.crowds import WANTED, accuracies, accuracy, figures, read_crowd

CROWDS = Path(__file__).parents[3] / "shared/data/crowd_votes"


@pytest.fixture
def folder(tmp_path):
    """Ten items, three voters; two of them are always right, the third never."""
    truth = {f"t{n}": n % 2 for n in range(10)}
    said = [(t, w, g if w != "bad" else 1 - g) for t, g in truth.items() for w in ("a", "b", "bad")]
    for name in WANTED:
        rows = "".join(f"{t},{w},{g}\n" for t, w, g in said)
        (tmp_path / f"{name}_votes.csv").write_text(f"task,worker,label\n{rows}")
        rows = "".join(f"{t},{g}\n" for t, g in truth.items())
        (tmp_path / f"{name}_gold.csv").write_text(f"task,gold\n{rows}")
    return tmp_path


def test_a_crowd_is_read_with_its_truth(folder):
    crowd = read_crowd(folder, "rte")

    assert (len(crowd.votes), len(crowd.truth)) == (30, 10)
    assert (crowd.truth["t0"], crowd.truth["t1"]) == (False, True)
    assert crowd.votes[0].voter == "a"
    assert not crowd.votes[0].is_yes


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(OSError, match="rte_votes"):
        read_crowd(tmp_path, "rte")


def test_two_right_ones_outvote_a_wrong_one(folder):
    found = accuracy(read_crowd(folder, "rte"), draws=3)

    assert (found.ours, found.majority) == (1.0, 1.0)


def test_one_vote_of_two_thirds_right_ones(folder):
    """One vote per item, drawn among two right ones and a wrong one: 2/3 right in the mean."""
    found = accuracy(read_crowd(folder, "rte"), votes_per_item=1, draws=60)

    assert found.majority == pytest.approx(2 / 3, abs=0.06)


def test_the_same_draws_give_the_same_figures(folder):
    crowd = read_crowd(folder, "barzan")

    assert accuracy(crowd, 2, draws=4) == accuracy(crowd, 2, draws=4)


def test_few_votes_are_held_against_the_majority_and_all_against_a_fixed_mark(folder):
    found = {figure.name.partition(" (")[0]: figure for figure in figures(folder)}

    assert found["rte: right with all votes per item"].target == ">= 0.9275"
    assert found["rte: right with 3 votes per item"].target == ">= 1.0000"
    assert all(figure.unit == "share" for figure in found.values())
    assert len(found) == 9


@pytest.mark.slow
def test_on_real_crowds_all_votes_reach_the_mark_and_few_are_no_worse_than_their_majority():
    if not CROWDS.exists():
        pytest.skip(f"no crowd votes at {CROWDS}")

    found = accuracies(CROWDS)

    for one in found:
        assert one.ours >= (one.majority if one.votes_per_item else WANTED[one.crowd]), one
