"""Rows, tables and cards of an export."""

from __future__ import annotations

import csv

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from bot.energy.export import ExportError
from bot.export.exporting import export, key_of
from bot.export.rows import Table, callers, pseudonym, sample_table, vote_rows
from bot.export.tables import read_table, write_table
from bot.settings import Settings
from bot.wording import FITS
from storage.models import Ballot, Member, SampleView, Subject, SubjectKind, Vote
from storage.store.store import Store
from tests.storage.records import T0, new_run
from trainer.fates import Reason
from trainer.spec import parse_spec

NASTY = ["=1+1", "+1", "-2*3", "@cmd|calc", "\tx", "\rx", "'=kept as it is", "plain", "l\nbreak"]
MEMBERS = {
    "slack:U1": Member(member_id="slack:U1", person_id="slack:U1", name="Ana"),
    "web:a": Member(member_id="web:a", person_id="slack:U1", name="Ana"),
    "web:b": Member(member_id="web:b", person_id="web:b"),
}


def words(*cells: str) -> Table:
    return Table("words", {"word": "text", "n": "number"}, [{"word": w, "n": -1.5} for w in cells])


def test_a_spreadsheet_runs_nothing_of_a_csv_and_numbers_stay_numbers(tmp_path):
    path = write_table(tmp_path, words(*NASTY), "csv")

    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert not any(row["word"].startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows)
    assert {row["n"] for row in rows} == {"-1.5"}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_what_was_written_is_read_back_as_it_was(tmp_path, form):
    path = write_table(tmp_path, words(*NASTY), form)

    assert [row["word"] for _, row in read_table(path)] == NASTY


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "no .csv, .jsonl or .parquet"),
        ("a.jsonl", b'{"a": 1}\n{oh\n', "a.jsonl, line 2: no JSON"),
        ("a.jsonl", b"[1]\n", "line 1: give an object"),
        ("a.parquet", b"PAR", "no parquet file"),
        ("a.csv", b"a,b\n\xff,1\n", "not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_by_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(ExportError, match=said):
        list(read_table(tmp_path / name))


def test_a_moment_that_no_calendar_has_is_refused(tmp_path):
    pq.write_table(
        pa.table({"at": pa.array([2**62], pa.timestamp("us", "UTC"))}), tmp_path / "v.parquet"
    )

    with pytest.raises(ExportError, match="holds what cannot be read"):
        list(read_table(tmp_path / "v.parquet"))


def test_pictures_are_pictures_to_the_library_that_loads_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    (tmp_path / "images").mkdir()
    Image.new("RGB", (4, 3), "red").save(tmp_path / "images" / "0.png")
    rows = [{"image": "images/0.png", "labels": ["a", "b"], "weight": 1.0, "votes": 2}]
    kinds = {"image": "text", "labels": "text", "weight": "number", "votes": "count"}
    path = write_table(tmp_path, Table("samples", kinds, rows, "image"), "parquet")

    found = load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "c"))["train"]

    assert found[0]["image"].size == (4, 3)
    assert (found[0]["labels"], found[0]["votes"]) == (["a", "b"], 2)


def test_a_pseudonym_is_one_persons_and_tells_nothing_without_the_key(tmp_path):
    call = callers(MEMBERS, "key", with_names=False)

    assert call("slack:U1") == call("web:a") == pseudonym("key", "slack:U1")
    assert call("web:b") != call("slack:U1") != pseudonym("another", "slack:U1")
    named = callers(MEMBERS, "key", with_names=True)
    assert (named("web:a"), named("web:b")) == ("Ana", "web:b")
    assert key_of(tmp_path) == key_of(tmp_path)
    assert (tmp_path / "export-key").stat().st_mode & 0o077 == 0


def test_what_people_typed_about_labels_is_told_with_names_alone():
    subject = Subject(key="1", kind=SubjectKind.SAMPLE, target="pool-3", label="fruit")
    ballot = Ballot(
        ballot_id="b", round_id="q", run_id="r1", ask="fits", subjects=(subject,), choices=FITS,
        view=SampleView(sample_id="pool-3").model_dump(),
    )  # fmt: skip
    votes = [
        Vote(
            ballot_id="b", person="p", voter="p", subject=key, value=1.0, answer=said, weight=1.0,
            via="reply", mark="m", at=T0,
        )
        for key, said in (("1", "yes"), ("1.label", "tools"), ("words.fruit", "sweet, my aunt's"))
    ]  # fmt: skip

    quiet = vote_rows([ballot], votes, str, with_words=False)
    loud = vote_rows([ballot], votes, str, with_words=True)

    assert [(row["kind"], row["answer"]) for row in quiet] == [
        ("sample", "yes"),
        ("label", "tools"),
    ]
    assert (loud[-1]["kind"], loud[-1]["label"]) == ("words", "fruit")


def test_a_samples_verdict_is_what_it_is_trained_as():
    pool = [
        {"sample_id": str(i), "text": "t", "label": "a", "content_sha256": ""} for i in range(4)
    ]
    fates = {
        "0": (Reason.KEPT, "a", 0.9, 1.0), "1": (Reason.VOTED_OUT, "a", 0.1, 0.0),
        "2": (Reason.KEPT, "b", 0.8, 0.5),
    }  # fmt: skip

    rows = sample_table(pool, fates, []).rows

    assert [row["verdict"] for row in rows] == ["kept", "dropped", "relabelled", "unseen"]
    assert [row.get("reason") for row in rows] == ["kept", "voted_out", "kept", None]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """Settings of a bot with a run over pictures that was never trained."""
    for number, label in enumerate(["cat", "dog"] * 6):
        path = tmp_path / "pool" / label / f"private-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3 + number), "red").save(path)
    spec = {
        "name": "pets", "task": "image-classification", "model": "toy",
        "data": {"pool": f"imagefolder:{tmp_path / 'pool'}", "dev": 0.3},
    }  # fmt: skip
    settings = Settings(_env_file=None, data_dir=tmp_path / "data")
    store = Store.open(settings.database)
    new_run(store, spec=parse_spec(spec, where="test").model_dump(mode="json"), seed=0)
    return settings


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_pictures_go_along_and_nothing_else_in_the_folder_is_touched(
    pictures, tmp_path, monkeypatch, form
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    (tmp_path / "out" / "images").mkdir(parents=True)
    (tmp_path / "out" / "images" / "mine.txt").write_text("mine")

    export(pictures, "samples", "r1", form, tmp_path / "out")

    found = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "c"))["train"]
    assert set(found["verdict"]) == {"unseen"}
    assert (tmp_path / "out" / "images" / "mine.txt").read_text() == "mine"
    if form == "parquet":
        assert found[0]["image"].size[0] == 4
        assert len([*(tmp_path / "out" / "images").iterdir()]) == 1
    else:
        assert (tmp_path / "out" / found[0]["image"]).is_file()
        assert "private" not in str(found[:])
