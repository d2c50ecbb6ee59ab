"""What leaves the house: other tools load it, and it names nobody."""

from __future__ import annotations

import asyncio
import csv
import json
import re

import pytest
import yaml
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel

from bot.energy.export import ExportError
from bot.export.exporting import export
from storage.models import RunState
from tests.flows.people import vote_until_ended


@pytest.fixture
async def run(open_bot, chat, tiny_spec):
    """A run that has ended, with real votes, training and joules."""
    async with open_bot() as bot:
        begun = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        ended = await vote_until_ended(chat, bot, begun)
        assert ended.state is RunState.FINISHED
        return ended


def load(folder, name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    return load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))["train"]


async def write(settings, what, folder, form="parquet", **options):
    """In a thread, as the command does it: outside of any event loop."""
    return await asyncio.to_thread(export, settings, what, None, form, folder, **options)


async def test_a_whole_run_is_a_folder_that_libraries_load(settings, run, tmp_path, monkeypatch):
    out, germany = tmp_path / "out", settings.model_copy(update={"country": "DEU"})
    written = await write(germany, "run", out)

    assert {path.name for path in out.iterdir()} == {
        "README.md", "samples.parquet", "votes.parquet", "events.parquet", "energy.parquet",
        "report.json", "model",
    }  # fmt: skip
    assert len(written.lines) == 7

    samples = load(out, None, monkeypatch, tmp_path)  # the default
    selection = json.loads((settings.runs_dir / "r1/human/selection.json").read_text())
    for row in samples:
        keep, weight, label = selection[row["sample_id"]]
        assert (row["keep"], row["weight"]) == pytest.approx((keep, weight), abs=1e-4)
        assert row["team_label"] == label
        assert (row["reason"] == "kept") == (weight > 0)
        assert (row["verdict"] == "dropped") == (weight == 0)
    assert {"kept", "dropped"} <= set(samples["verdict"])
    votes = load(out, "votes", monkeypatch, tmp_path)
    assert len(votes) >= 12
    assert len(load(out, "events", monkeypatch, tmp_path)) >= len(votes)
    joules = load(out, "energy", monkeypatch, tmp_path)
    assert sum(j or 0.0 for j in joules["energy_j"]) > 0

    base = AutoModel.from_pretrained(run.spec["model"])
    PeftModel.from_pretrained(base, str(out / "model"))
    assert set(load_file(out / "model" / "head.safetensors")) == {"weight", "bias", "centre"}

    the_data_card_says_how_it_was_voted(*card(out / "README.md"))
    the_model_card_tells_base_votes_metric_and_joules(run, *card(out / "model" / "README.md"))


def the_data_card_says_how_it_was_voted(front, text):
    assert front["license"] == "unknown"
    assert front["configs"][0] == {
        "config_name": "samples", "data_files": "samples.parquet", "default": True,
    }  # fmt: skip
    assert "Krippendorff's alpha" in text
    assert re.search(r"\d+ votes of 1 raters \(under made-up names", text)
    assert "People's time:" in text


def the_model_card_tells_base_votes_metric_and_joules(run, front, text):
    assert front["base_model"] == run.spec["model"]
    assert front["library_name"] == "peft"
    assert front["co2_eq_emissions"]["emissions"] > 0
    assert front["co2_eq_emissions"]["training_type"] == "fine-tuning"
    assert re.search(r"Accuracy on the dev set: \d+\.\d %", text)
    assert re.search(r"\d+ votes of 1 raters", text)
    assert "All arms of the run:" in text
    assert "head.safetensors" in text
    assert "Pool: `csv:pool.csv`" in text  # not where it lies


async def test_nobody_is_named_unless_names_are_asked_for(settings, run, tmp_path):
    await write(settings, "votes", tmp_path / "a", "jsonl")
    await write(settings, "votes", tmp_path / "b", "jsonl", with_names=True)

    voters = {row["voter"] for row in lines(tmp_path / "a" / "votes.jsonl")}
    assert all(voter.startswith("rater-") for voter in voters)
    assert voters == {row["voter"] for row in lines(tmp_path / "a" / "events.jsonl")}
    assert not any(
        "memory:" in path.read_text() or "Ana" in path.read_text()
        for path in (tmp_path / "a").iterdir()
    )
    assert {row["voter"] for row in lines(tmp_path / "b" / "votes.jsonl")} == {"Ana"}


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_other_forms_hold_the_same(settings, run, tmp_path, monkeypatch, form):
    await write(settings, "samples", tmp_path / "p", "parquet")
    await write(settings, "samples", tmp_path / "x", form)

    one = load(tmp_path / "p", None, monkeypatch, tmp_path)
    other = load(tmp_path / "x", None, monkeypatch, tmp_path / form)

    assert one.column_names == other.column_names
    assert one["text"] == other["text"]
    assert one["weight"] == other["weight"]
    if form == "csv":
        rows = list(csv.DictReader((tmp_path / "x" / "samples.csv").read_text().splitlines()))
        assert [row["verdict"] for row in rows] == list(one["verdict"])


async def test_a_run_without_a_checkpoint_has_no_model_to_write(settings, open_bot, tiny_spec):
    async with open_bot() as bot:
        await bot.rounds.begin(tiny_spec(), who="memory:ana")

        with pytest.raises(ExportError, match="r1 has no checkpoint yet"):
            await write(settings, "model", settings.data_dir / "out")


async def test_where_nothing_can_be_written_the_remedy_is_named(settings, run, tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ExportError, match="name another --out"):
        await write(settings, "votes", tmp_path / "file" / "out")


def card(path):
    _, front, text = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(front), text
