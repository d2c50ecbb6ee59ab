"""The arms of the learning benchmark: which of them are trained where."""

from __future__ import annotations

import json

import pytest

from bot.bench.learning.cells import Cell, _Run
from bot.bench.learning.resumed import Larder
from bot.bench.learning.suite import Suite
from bot.bench.learning.summary import NO_VOTES
from trainer.bench import exemplars

DYNAMIC = {"infobatch", "rho"}


def arms_of(suite: Suite, recipe: str) -> set[str]:
    return {cell.arm for cell in suite.cells() if cell.recipe == recipe}


def test_rivals_that_choose_as_they_go_are_trained_on_dirty_pools_alone():
    whole, quick = Suite(Larder("data")), Suite(Larder("data"), is_quick=True)

    assert all(arms_of(whole, recipe) >= DYNAMIC for recipe in ("mix", "sys"))
    assert not arms_of(whole, "clean") & DYNAMIC
    assert not arms_of(quick, "mix") & DYNAMIC


def test_who_labels_exemplars_is_not_without_people():
    assert "infobatch" in NO_VOTES
    assert "rho" not in NO_VOTES


def test_exemplars_cost_people_what_as_many_votes_do(tmp_path):
    """Three labels, 140 spare texts: 100 of them at 4.2 s each."""
    pool, folder = tmp_path / "pool", tmp_path / "arm"
    pool.mkdir()
    folder.mkdir()
    rows = [{"id": str(i), "text": f"t{i}", "label": "abc"[i % 3], "truth": "a"} for i in range(9)]
    spare = [{"text": f"s{i}", "label": "abcd"[i % 4]} for i in range(140)]
    for name, lines in (("pool", rows), ("spare", spare)):
        (pool / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))

    seconds = _Run(Cell("mix", 0, 9, "rho"), pool, folder, None, 4)._leave_exemplars()  # type: ignore[arg-type]

    found = exemplars.read(folder)
    assert seconds == pytest.approx(420)
    assert len(found) == len(set(found)) == 100
    assert {label for _, label in found[:3]} == {"a", "b", "c"} == {label for _, label in found}
