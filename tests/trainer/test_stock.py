"""The stock arm: what it counts, what it leaves off the clock, what it trains."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from tests.conftest import TOPICS, write_topics
from trainer.bench.stock import Clock, StockRun, load_classifier, train_stock

POOL, TEST = 40, 30


def topics(folder: Path, n: int, seed: int) -> tuple[list[str], list[int]]:
    path = folder / f"{seed}.csv"
    write_topics(path, n, seed=seed)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted(TOPICS)
    return [row["text"] for row in rows], [names.index(row["label"]) for row in rows]


def run(folder: Path, model: Path, evaluate_at: list[int], epochs: float = 2) -> StockRun:
    pool, test = topics(folder, POOL, seed=1), topics(folder, TEST, seed=2)
    return train_stock(*pool, len(TOPICS), evaluate_at, *test, model=str(model), epochs=epochs)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory, tiny_model):
    return run(tmp_path_factory.mktemp("topics"), tiny_model, [0, 20, 32, 50])


def test_evaluates_at_the_first_whole_batch_from_each_count_on_and_at_the_end(evaluated):
    assert [point.samples for point in evaluated.curve] == [0, 32, 56, 80]  # 16, 32, 40, 56, ...
    assert evaluated.samples == 2 * POOL


def test_cpu_time_grows_along_the_curve_to_the_total(evaluated):
    spent = [point.cpu_s for point in evaluated.curve]

    assert sorted(spent) == spent
    assert 0 < spent[0] < spent[-1] <= evaluated.cpu_s
    assert evaluated.load_cpu_s > 0


def test_evaluating_changes_nothing(evaluated, tmp_path, tiny_model):
    only_the_end = run(tmp_path, tiny_model, [])

    assert [evaluated.curve[-1].accuracy] == [point.accuracy for point in only_the_end.curve]


def test_a_random_encoder_can_fit_its_pool(tmp_path, tiny_model):
    pool = topics(tmp_path, POOL, seed=1)
    fitted = train_stock(
        *pool, len(TOPICS), [0], *pool, model=str(tiny_model), epochs=60, learning_rate=3e-2
    )
    first, last = fitted.curve

    assert first.accuracy < 0.6
    assert last.accuracy > 0.9


def test_trains_query_and_value_of_all_layers_the_pooler_and_the_head(tiny_model):
    _, model = load_classifier(str(tiny_model), 3, seed=0)
    trained = {name for name, p in model.named_parameters() if p.requires_grad}

    for layer in (0, 1):
        for target in ("query", "value"):
            lora = f"layer.{layer}.attention.self.{target}.lora_A"
            assert any(lora in name for name in trained)
    assert any("pooler" in name for name in trained)
    assert any("classifier" in name for name in trained)
    assert not any("key" in name or "word_embeddings" in name for name in trained)


def test_the_seed_decides_the_weights(tiny_model):
    first, again, other = (
        load_classifier(str(tiny_model), 3, seed=seed)[1].state_dict() for seed in (1, 1, 2)
    )
    drawn = [name for name in first if "lora_A" in name or "classifier.modules" in name]

    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in drawn)


def test_the_clock_stands_still_for_what_it_skips():
    clock = Clock()
    before = clock.spent()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    clock.skip_since(before)

    assert clock.spent() - before < 0.1
