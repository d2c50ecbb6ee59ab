"""A spec is checked whole before anything is done, and says all that is wrong at once."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from trainer.spec import RunSpec, SpecError, parse_spec, read_spec

SMALLEST = {"name": "demo", "model": "minilm", "data": {"pool": "csv:pool.csv"}}


def parsed(folder: Path | None = None, **parts: Any) -> RunSpec:
    return parse_spec({**SMALLEST, **parts}, where="demo.yaml", folder=folder)


def refused(**parts: Any) -> str:
    with pytest.raises(SpecError) as refusal:
        parsed(**parts)
    return str(refusal.value)


def line_about(message: str, key: str) -> str:
    (line,) = [line.strip() for line in message.splitlines() if line.strip().startswith(key)]
    return line


# --- what is wrong ------------------------------------------------------------------------------


def test_all_errors_of_a_spec_stand_in_one_message_with_key_value_and_remedy():
    message = refused(
        name="Über",
        data={"pool": "xlsx:pool.xlsx"},
        train={"epochs": -1, "precision": "float16"},
        ask={"deadline": "soon"},
    )

    assert message.startswith("demo.yaml has 5 errors:")
    assert "'Über'" in line_about(message, "name")
    assert "a-z, 0-9" in line_about(message, "name")
    assert "'xlsx:pool.xlsx'" in line_about(message, "data.pool")
    assert "csv:" in line_about(message, "data.pool")
    assert "= -1: Input should be greater than 0" in line_about(message, "train.epochs")
    assert "one of auto, float32, bfloat16" in line_about(message, "train.precision")
    assert "'soon'" in line_about(message, "ask.deadline")
    assert "10min" in line_about(message, "ask.deadline")


@pytest.mark.parametrize("key", ["name", "model", "data"])
def test_a_missing_key_is_named_with_what_belongs_there(key):
    raw = {k: v for k, v in SMALLEST.items() if k != key}

    with pytest.raises(SpecError, match=rf"1 error:\n  {key} is missing; set it \(\w+"):
        parse_spec(raw, where="demo.yaml")


def test_a_missing_key_of_a_part_is_named_with_its_path():
    assert "data.pool is missing" in refused(data={"text": "body"})


def test_a_mistyped_key_is_answered_with_the_right_one():
    assert "train.batchsize: no such key; did you mean batch_size?" in refused(
        train={"batchsize": 8}
    )
    assert "asks: no such key; did you mean ask?" in refused(asks={})


def test_a_key_like_no_other_is_answered_with_all_there_are():
    line = line_about(refused(data={"pool": "csv:x", "dirt": {"zzz": 1}}), "data.dirt.zzz")

    assert line == "data.dirt.zzz: no such key; known keys: bulk, off_topic, shuffled"


@pytest.mark.parametrize(
    ("parts", "key", "value"),
    [
        ({"data": {"pool": "csv:x", "dev": 1.5}}, "data.dev", "1.5"),
        ({"data": {"pool": "csv:x", "dev": "dev.csv"}}, "data.dev", "'dev.csv'"),
        ({"lora": {"top_layers": "quarter"}}, "lora.top_layers", "'quarter'"),
        ({"lora": {"targets": 5}}, "lora.targets", "5"),
        ({"train": {"threads": "many"}}, "train.threads", "'many'"),
    ],
    ids=["share too large", "source without reader", "layers", "targets", "threads"],
)
def test_a_value_of_several_allowed_kinds_is_named_by_its_key_alone(parts, key, value):
    """The key as it stands in the file, not the names of the validator's branches."""
    lines = [line.strip() for line in refused(**parts).splitlines()[1:]]

    assert lines
    for line in lines:
        assert line.startswith(f"{key} = {value}: "), line


def test_dirt_must_leave_something_clean():
    message = refused(data={"pool": "csv:x", "dirt": {"shuffled": 0.5, "bulk": 0.45}})

    assert "dirt adds up to 0.95; leave at least 0.1 clean" in message


@pytest.mark.parametrize(
    ("pauses", "said"),
    [((0.5, 0.2), "must rise"), ((0.2, 0.2), "must rise"), ((0, 1.0), "after the training")],
    ids=["falling", "twice the same", "at the end"],
)
def test_pauses_rise_and_end_before_the_training_does(pauses, said):
    assert said in line_about(refused(ask={"at": pauses}), "ask.at")


def test_what_votes_are_to_bring_is_one_of_four():
    line = line_about(refused(value="fame"), "value")

    assert line.startswith("value = 'fame'")
    assert "one of quality-at-equal-energy, machine-energy, energy-with-devices, money" in line
    assert parsed().value == "quality-at-equal-energy"
    assert "later_runs = -1" in refused(later_runs=-1)


@pytest.mark.parametrize(
    ("ask", "audited", "rest"),
    [
        ({"audit": 20, "cards": 40}, True, 20),
        ({"audit": 20, "cards": 12}, True, 0),
        ({"audit": 0, "cards": 40}, False, 40),
        ({"audit": 20, "cards": 0}, False, 0),
        ({"audit": 20, "cards": 40, "at": []}, False, 40),
    ],
    ids=["part of the first round", "all of it", "skipped", "no cards", "nobody is asked"],
)
def test_the_cards_of_the_audit_count_as_the_first_round_s(ask, audited, rest):
    spec = parsed(ask=ask).ask

    assert (spec.has_audit, spec.cards_after(1)) == (audited, rest)


def test_training_is_patient_unless_told_otherwise():
    """The defaults the learning engine was measured with."""
    train, lora = parsed().train, parsed().lora

    assert (train.lora_lr, train.head_lr, train.patience) == (4e-3, 1e-2, 3)
    assert lora.top_layers == "third"
    assert parsed(train={"patience": 0}).train.patience == 0
    assert line_about(refused(train={"patience": -1}), "train.patience")


# --- durations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (90, 90.0), ("90", 90.0), ("90s", 90.0), ("90 sec", 90.0), ("10min", 600.0),
        ("2m", 120.0), ("1.5 h", 5400.0), (" 3min ", 180.0),
    ],
)  # fmt: skip
def test_durations_are_written_with_their_unit(written, seconds):
    assert parsed(ask={"deadline": written}).ask.deadline == seconds


@pytest.mark.parametrize(
    "written", ["soon", "10 days", "min", "-5s", "1h 30min", "", 0, -1, "0s", "10min\nx", math.nan]
)
def test_what_is_no_duration_is_refused(written):
    assert line_about(refused(ask={"deadline": written}), "ask.deadline")


@pytest.mark.parametrize(
    ("part", "key"),
    [("ask", "deadline"), ("train", "lora_lr"), ("train", "head_lr"), ("train", "weight_decay")],
)
def test_infinity_is_no_number_to_work_with(part, key):
    """YAML can say `.inf`: a deadline that no clock reaches, a learning rate that ruins weights."""
    assert line_about(refused(**{part: {key: math.inf}}), f"{part}.{key}")


# --- names that become folders ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "../x", "..", ".", "", "a/b", "a\\b", "/etc", "a\0b", "demo\n", "demo\r", " demo", "Demo",
        "démo", "-demo", "_demo", "a" * 64, "\uff41", "a.b",
    ],
)  # fmt: skip
def test_a_run_name_that_could_leave_its_folder_is_refused(name):
    assert "it becomes a folder" in line_about(refused(name=name), "name")


@pytest.mark.parametrize("name", ["a", "7", "demo_2-b", "a" * 63])
def test_a_plain_run_name_is_taken(name):
    assert parsed(name=name).name == name


def test_a_run_name_that_yaml_reads_as_a_number_is_refused_with_its_value():
    assert "= 7" in line_about(refused(name=7), "name")


# --- files --------------------------------------------------------------------------------------


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "demo.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_data_paths_count_from_the_folder_of_the_spec(tmp_path, monkeypatch):
    (tmp_path / "specs").mkdir()
    path = write(
        tmp_path / "specs",
        "name: demo\nmodel: ./model\n"
        "data: {pool: csv:../data/pool.csv, dev: jsonl:dev.jsonl, test: parquet:/data/t.parquet}\n",
    )
    monkeypatch.chdir(tmp_path)

    spec = read_spec(Path("specs/demo.yaml"))

    assert spec.data.pool == f"csv:{tmp_path / 'data/pool.csv'}"
    assert spec.data.dev == f"jsonl:{tmp_path / 'specs/dev.jsonl'}"
    assert spec.data.test == "parquet:/data/t.parquet"
    assert spec.model == str(tmp_path / "specs/model")
    assert path.exists()


def test_a_folder_of_images_counts_from_the_folder_of_the_spec(tmp_path):
    spec = parsed(tmp_path, data={"pool": "imagefolder:cats", "dev": "imagefolder:/data/cats"})

    assert spec.data.pool == f"imagefolder:{tmp_path / 'cats'}"
    assert spec.data.dev == "imagefolder:/data/cats"


@pytest.mark.parametrize("source", ["builtin:stdlib", "builtin:digits", "hf:ag_news@train"])
def test_what_is_no_path_stays_as_it_is(tmp_path, source):
    spec = parsed(tmp_path, data={"pool": source, "dev": 0.2}, model="minilm")

    assert (spec.data.pool, spec.data.dev, spec.model) == (source, 0.2, "minilm")


def test_a_missing_file_is_said_with_its_path_and_where_to_look(tmp_path):
    with pytest.raises(SpecError, match=r"no spec at .*nowhere\.yaml; see examples/"):
        read_spec(tmp_path / "nowhere.yaml")


def test_a_folder_is_no_spec(tmp_path):
    with pytest.raises(SpecError, match="give a readable YAML file"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "name: [", "a: b: c", "\tname: x", "name: &a *b", "name: !!python/object/apply:os.getcwd []",
        "name: 2020-13-45",
    ],
    ids=["open bracket", "two colons", "tab", "unknown anchor", "python object", "no such date"],
)  # fmt: skip
def test_what_is_not_yaml_is_said_on_one_line(tmp_path, text):
    with pytest.raises(SpecError, match=r"demo\.yaml is not valid YAML: .+") as refusal:
        read_spec(write(tmp_path, text))

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "42"])
def test_yaml_without_keys_is_no_spec(tmp_path, text):
    with pytest.raises(SpecError, match="not keys with values"):
        read_spec(write(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot read the spec"):
        read_spec(write(tmp_path, b"name: \xff\xfe\n"))


def test_a_data_path_no_file_can_have_is_refused_as_a_spec_error(tmp_path):
    with pytest.raises(SpecError, match="pool"):
        parsed(tmp_path, data={"pool": "csv:a\0b.csv"})


@pytest.mark.parametrize("threads", [0, -3, 100_000])
def test_a_number_of_threads_that_cannot_be_is_refused(threads):
    raw = {"name": "x", "model": "m", "data": {"pool": "csv:x"}, "train": {"threads": threads}}

    with pytest.raises(SpecError, match=rf"train.threads = {threads}: "):
        parse_spec(raw, where="the test's spec")


@pytest.mark.parametrize("dev", [0, 1, 1.5])
def test_a_dev_share_leaves_something_on_both_sides(dev):
    raw = {"name": "x", "model": "m", "data": {"pool": "csv:x", "dev": dev}}

    with pytest.raises(SpecError, match=r"data\.dev"):
        parse_spec(raw, where="the test's spec")


def test_columns_of_prompts_have_names_that_hub_data_sets_use():
    data = parsed(task="preference").data

    assert (data.prompt, data.answer) == ("prompt", "answer")
    assert (data.chosen, data.rejected, data.messages) == ("chosen", "rejected", None)
    assert parsed(data={"pool": "csv:x", "prompt": None}).data.prompt is None
