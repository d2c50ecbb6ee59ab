"""Who was read together is read together again, in another process, too."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.together import Together


@pytest.fixture
def path(tmp_path):
    return tmp_path / "together.jsonl"


def named(together, *index):
    return [company.tolist() for company in together.companies(np.array(index))]


def test_strangers_make_one_company_in_the_order_they_came(path):
    assert named(Together(path, 9), 5, 2, 7) == [[5, 2, 7]]


def test_whoever_is_known_brings_the_others_along_and_strangers_come_last(path):
    together = Together(path, 9)
    named(together, 5, 2)
    named(together, 8)

    assert named(together, 1, 8, 2, 0) == [[5, 2], [8], [1, 0]]


def test_another_process_reads_in_the_same_company(path):
    named(Together(path, 9), 5, 2)
    again = Together(path, 9)

    assert named(again, 2) == [[5, 2]]
    assert named(again, 2, 3) == [[5, 2], [3]]
    assert named(Together(path, 9), 3, 5) == [[5, 2], [3]]


def test_a_line_that_a_kill_cut_off_is_no_company(path):
    named(Together(path, 9), 5, 2)
    with path.open("a") as file:
        file.write("[4, 1")

    assert named(Together(path, 9), 1, 4, 5) == [[5, 2], [1, 4]]
    assert path.read_text() == "[5, 2]\n[1, 4]\n"
