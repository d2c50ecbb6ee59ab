"""The stock arm of prompts with answers: what it counts, and that it says what our own arms say."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from tests.conftest import write_answers
from trainer.bench.stock_language import Task, _dialogues, answer_nats, carry_out, load
from trainer.compute import set_up
from trainer.language import Answers, Reader, load_language_model
from trainer.spec import LoraSpec, TrainSpec


@pytest.fixture
def folder(tmp_path):
    for name, n, seed in (("pool", 40, 1), ("test", 12, 2)):
        write_answers(tmp_path / f"{name}.csv", n, seed=seed)
        with (tmp_path / f"{name}.csv").open(encoding="utf-8") as file:
            lines = map(json.dumps, csv.DictReader(file))
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def test_it_counts_tokens_without_padding_and_learns(folder, tiny_language_model):
    found = carry_out(
        Task(
            folder=str(folder), model=str(tiny_language_model), epochs=2, max_tokens=32, seed=0,
            evaluations=4, learning_rate=1e-2, out="",
        )
    )  # fmt: skip

    tokenizer, _ = load(str(tiny_language_model), 0)
    pool = _dialogues(folder / "pool.jsonl", Reader(tokenizer, 32))
    assert found["samples"] == 80
    assert found["tokens"] == 2 * sum(len(one.ids) for one in pool)
    assert [point["samples"] for point in found["curve"]] == [0, 32, 40, 72, 80]
    assert found["curve"][-1]["metric"] > found["curve"][0]["metric"]


def test_it_measures_what_our_own_arms_measure(folder, tiny_language_model):
    tokenizer, stock = load(str(tiny_language_model), 0)
    test = _dialogues(folder / "test.jsonl", Reader(tokenizer, 32))
    ours, _ = load_language_model(str(tiny_language_model), None, LoraSpec(top_layers=1), 0)
    ours.eval()
    answers = Answers(ours, test, set_up(TrainSpec(threads=1, precision="float32")))

    nats = -float(answers.log_probabilities(np.arange(len(test))).detach().sum())

    assert answer_nats(stock, test) == pytest.approx(nats / answers.answer_tokens.sum(), rel=1e-4)
