"""Whatever is wrong with what people give us, they read a plain sentence with value and remedy."""

import asyncio
import contextlib
import csv
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from bot.verbs import BY_NAME
from storage.models import RunState
from tests.conftest import write_topics
from tests.flows.people import ended, head, open_cards, thread, vote_on_all, vote_until_ended
from tests.flows.served import JOULERY, at_work, environment, until

BAD_INPUT = 2


def joulery(folder, *words, **settings):
    """The command line, as a process of its own in `folder`."""
    return subprocess.run(
        [JOULERY, *words],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_plainly_refused(done, *said):
    """Exit code 2, and a sentence on stderr that says all of `said`."""
    text = squeezed(done.stderr)
    assert "Traceback" not in done.stderr
    for words in said:
        assert squeezed(words) in text, done.stderr
    assert done.returncode == BAD_INPUT


def squeezed(text):
    """The text without white space: the terminal breaks lines where it likes."""
    return "".join(str(text).split())


def spec_of(folder, **parts):
    """A small spec as it is written by hand; keywords replace parts of it."""
    raw = {
        "name": "tiny",
        "model": "minilm",
        "data": {"pool": f"csv:{folder / 'pool.csv'}", "dev": 0.2, "truth": "truth"},
        "train": {"epochs": 1, "batch_size": 8, "max_tokens": 12, "evaluations": 1, "threads": 1},
        "ask": {"at": [0], "cards": 2, "feature_cards": 0, "quorum": 1, "deadline": "1min"},
    }
    for key, value in parts.items():
        raw[key] = {**raw[key], **value} if isinstance(raw.get(key), dict) else value
    return raw


def write_yaml(path, raw):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


# --- specs on the command line ------------------------------------------------------------------


def test_a_missing_spec_is_named(tmp_path):
    done = joulery(tmp_path, "compare", "nowhere.yaml")

    assert_plainly_refused(done, "no spec at nowhere.yaml", "see examples/")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: [tiny\nmodel: x\n", "is not valid YAML"),
        ("- name\n- model\n", "holds list, not keys with values"),
        ("name: tiny\nmodel: minilm\ndata:\n  pool: csv:a.csv\non: [0]\n", "True"),
    ],
    ids=["bracket", "list", "a key YAML reads as a flag"],
)
def test_a_malformed_spec_is_named_with_what_is_wrong(tmp_path, text, said):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    done = joulery(tmp_path, "compare", "bad.yaml")

    assert_plainly_refused(done, "bad.yaml", said)


def test_all_wrong_keys_stand_in_one_message(tmp_path):
    raw = spec_of(
        tmp_path,
        train={"epoch": 3, "batch_size": 0},
        ask={"deadline": "soon", "at": [0.5, 0.2]},
        data={"pool": "pool.csv", "truth": None},
        fame="tiny",
    )
    del raw["model"]
    write_yaml(tmp_path / "bad.yaml", raw)
    done = joulery(tmp_path, "compare", "bad.yaml")

    assert_plainly_refused(
        done,
        "bad.yaml has 7 errors:",
        "train.epoch: no such key; did you mean epochs?",
        "train.batch_size = 0: Input should be greater than or equal to 1",
        "ask.deadline = 'soon': write a number with s, min or h",
        "ask.at = [0.5, 0.2]: shares must rise from pause to pause",
        "data.pool = 'pool.csv': no such source; write one of",
        "fame: no such key; did you mean name?",
        "model is missing; set it",
    )


def test_simulated_voters_without_a_truth_are_refused(tmp_path):
    write_topics(tmp_path / "pool.csv", 30)
    write_yaml(tmp_path / "spec.yaml", spec_of(tmp_path, data={"truth": None}))
    done = joulery(tmp_path, "compare", "spec.yaml", "--jury", "simulated")

    assert_plainly_refused(done, "need a truth to vote by", "set data.truth or data.dirt")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"data": {"pool": "csv:gone.csv"}}, ("no data file at", "gone.csv", "check the path")),
        ({"model": "/no/such/model"}, ("/no/such/model",)),
    ],
    ids=["data", "model"],
)
def test_a_comparison_of_refused_input_ends_as_bad_input(tmp_path, tiny_model, parts, said):
    write_topics(tmp_path / "pool.csv", 30)
    raw = spec_of(tmp_path, **{"model": str(tiny_model), **parts})
    write_yaml(tmp_path / "spec.yaml", raw)
    done = joulery(tmp_path, "compare", "spec.yaml", "--jury", "simulated", "--port", "0")

    assert_plainly_refused(done, *said)


# --- settings, ports, databases -----------------------------------------------------------------


def test_all_malformed_settings_stand_in_one_message(tmp_path):
    done = joulery(tmp_path, "status", web_port="many", watts_per_core=-1)

    assert_plainly_refused(
        done,
        "JOULERY_WEB_PORT = 'many'",
        "JOULERY_WATTS_PER_CORE = '-1'",
        "see .env.example",
    )


def test_a_log_level_that_is_none_is_named(tmp_path):
    done = joulery(tmp_path, "status", log_level="LOUD")

    assert_plainly_refused(done, "JOULERY_LOG_LEVEL", "LOUD", "WARNING")


def test_a_port_out_of_range_is_named(tmp_path):
    done = joulery(tmp_path, "serve", "--port", "99999")

    assert_plainly_refused(done, "JOULERY_WEB_PORT = 99999", "65535")


def test_a_port_in_use_is_named_each_time(tmp_path):
    """The second time, too: the refused bot has given its lease on the database back."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = [joulery(tmp_path, "serve", web_port=port) for _ in range(2)]

    for refused in done:
        assert_plainly_refused(refused, f"Port {port} on 127.0.0.1 is in use", "set another port")


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file, no folder", encoding="utf-8")
    done = joulery(tmp_path, "serve", web_port=0)

    assert_plainly_refused(done, tmp_path / "data")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "postgresql+psycopg://nobody:geheim@127.0.0.1:1/none",
            "cannot reach the database postgresql+psycopg://nobody:***@127.0.0.1:1/none",
        ),
        ("postgres://nobody@127.0.0.1/none", "postgresql+psycopg://user@host/name"),
        ("sqlite:////proc/nowhere/joulery.db", "/proc/nowhere/joulery.db"),
    ],
    ids=["nobody answers", "old scheme", "no folder"],
)
def test_a_database_that_cannot_be_reached_is_named(tmp_path, url, said):
    done = joulery(tmp_path, "status", database_url=url)

    assert_plainly_refused(done, said)
    assert "geheim" not in done.stderr


def test_a_database_that_is_something_else_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, this is no database. " * 100, encoding="utf-8")
    done = joulery(tmp_path, "status", database_url=f"sqlite:///{path}")

    assert_plainly_refused(done, path)
    assert path.read_text(encoding="utf-8").startswith("Dear diary")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("invite", "?!"), "at least one letter or digit"),
        (("invite", "Ana", "--port", "0"), "no port yet"),
    ],
    ids=["name", "port"],
)
def test_an_invitation_that_cannot_be_made_says_why(tmp_path, words, said):
    done = joulery(tmp_path, *words)

    assert_plainly_refused(done, said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fly",), "No such command 'fly'"),
        (("compare", "x.yaml", "--jury", "cats"), "'cats' is not one of"),
    ],
    ids=["command", "choice"],
)
def test_words_the_command_line_does_not_know_are_named(tmp_path, words, said):
    done = joulery(tmp_path, *words)

    assert_plainly_refused(done, said)


def test_a_fine_command_ends_with_zero(tmp_path):
    done = joulery(tmp_path, "status")

    assert done.returncode == 0
    assert "No runs yet" in done.stdout
    assert done.stderr == ""


# --- data and models, from chat -----------------------------------------------------------------


def rows(path, *lines):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def no_file(path):
    path.unlink()


def other_columns(path):
    rows(path, ["words", "area"], *([f"apple {i}", "fruit"] for i in range(20)))


def only_a_header(path):
    rows(path, ["text", "label", "truth"])


def nothing_at_all(path):
    path.write_bytes(b"")


def empty_texts(path):
    rows(path, ["text", "label", "truth"], *(["", "fruit", "fruit"] for _ in range(20)))


def one_class(path):
    texts = ([f"apple {i}", "fruit", "fruit"] for i in range(20))
    rows(path, ["text", "label", "truth"], *texts)


def a_picture(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)


@pytest.mark.parametrize(
    ("spoil", "parts", "said"),
    [
        (no_file, {}, ("no data file at", "pool.csv", "check the path")),
        (other_columns, {}, ("no column 'text', 'label'", "it has 'words', 'area'", "set data.")),
        (only_a_header, {}, ("the pool is empty", "check the path and the columns")),
        (nothing_at_all, {}, ("cannot read", "pool.csv", "check the file")),
        (empty_texts, {}, ("the pool is empty (20 x pool text is empty, e.g. ",)),
        (one_class, {}, ("all 16 samples", "'fruit'", "at least two classes")),
        (one_class, {"data": {"dirt": {"shuffled": 0.2}}}, ("'fruit'", "at least two classes")),
        (a_picture, {}, ("pool.csv",)),
        (None, {"data": {"dirt": {"off_topic": 0.1}}}, ("off_topic = 0.1", "set it to 0")),
        (None, {"data": {"id": "label"}}, ("stands twice", "name a column with unique ids")),
        (None, {"model": "/no/such/model"}, ("/no/such/model",)),
        (None, {"model": "."}, ("'.'",)),
    ],
    ids=[
        "no file", "other columns", "only a header", "empty file", "empty texts", "one class",
        "one class and dirt", "no csv", "off-topic dirt", "double ids", "no model", "odd model",
    ],
)  # fmt: skip
async def test_input_that_cannot_be_learnt_from_fails_the_run_with_the_remedy(
    open_bot, chat, tiny_spec, tmp_path, spoil, parts, said
):
    spec = tiny_spec(**parts)
    if spoil is not None:
        spoil(tmp_path / "pool.csv")
    async with open_bot() as bot:
        run = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))
        told = next(t for t in thread(chat, head(chat, run).ref) if "is failed" in t)
        segments = bot.house.store.runs.segments("r1.human")

    assert run.state is RunState.FAILED
    for words in said:
        assert words in told
    assert "Error:" not in told
    assert len(segments) == 1  # the same input a second time would only cost joules


async def test_once_the_data_are_there_the_failed_run_can_be_resumed(
    open_bot, chat, tiny_spec, tmp_path
):
    spec = tiny_spec()
    (tmp_path / "pool.csv").rename(tmp_path / "elsewhere.csv")
    async with open_bot() as bot:
        run = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))
        assert run.state is RunState.FAILED
        (tmp_path / "elsewhere.csv").rename(tmp_path / "pool.csv")
        await chat.command("ana", "resume r1", "joulery")
        await until(lambda: bot.house.store.runs.get("r1").state is not RunState.FAILED)
        run = await vote_until_ended(chat, bot, run)

        assert run.state is RunState.FINISHED


# --- chat commands ------------------------------------------------------------------------------


@pytest.fixture
def specs(tmp_path, settings):
    """The folder chat may start specs from: a good one, a malformed one, a wrong one."""
    folder = settings.specs_dir
    write_yaml(folder / "tiny.yaml", spec_of(tmp_path))
    (folder / "torn.yaml").write_text("name: [torn\n", encoding="utf-8")
    write_yaml(folder / "wrong.yaml", spec_of(tmp_path, train={"epoch": 3}, ask={"card": 1}))
    return folder


async def answered(bot, chat, who, words):
    """What the bot answers, to all or to one."""
    await chat.command(who, words, "joulery")

    def look():
        said = [p.text for p in chat.posts.values() if p.key.startswith("answer:")]
        return said + [w.text for w in chat.whispers]

    [answer] = await until(look)
    return answer


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "dance",
            (
                "“dance”",
                f"say {', '.join(BY_NAME)}",
            ),
        ),
        ("start", ("which spec?", "tiny, torn, wrong", "Say start SPEC")),
        ("start nowhere", ("there is no spec nowhere", "known: tiny, torn, wrong")),
        ("start ../tiny", ("“../tiny” is no spec's name", "say start for the list")),
        ("start torn", ("torn.yaml is not valid YAML",)),
        (
            "start wrong",
            ("2 errors", "train.epoch: no such key; did you mean epochs?", "ask.card: no such key"),
        ),
        ("start tiny seed=soon", ("seed=soon", "give a whole number, e.g. seed=1")),
        ("start tiny sed=1", ("sed",)),
        ("start tiny controls", ("controls",)),
        ('start "tiny', ("a quote is not closed",)),
        ("status r99", ("there is no run r99; say status",)),
        ("stop r99", ("there is no run r99; say status",)),
        ("stop", ("which run? Under way: none. Say stop RUN",)),
        ("resume", ("which run?",)),
    ],
)
async def test_a_command_that_cannot_be_done_says_why_and_what_to_say(
    open_bot, chat, specs, words, said
):
    async with open_bot() as bot:
        answer = await answered(bot, chat, "ana", words)

        assert answer.startswith("Not done: ")
        for part in said:
            assert part in answer
        assert bot.house.store.runs.all() == []


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        ((), "nobody may start yet: put your id `memory:ana` into JOULERY_OPERATORS"),
        (
            ("memory:boss",),
            "only operators may start; ask an admin to say: allow memory:ana operator",
        ),
    ],
    ids=["no operators", "somebody else"],
)
async def test_who_is_no_operator_is_told_so_alone_and_starts_nothing(
    open_bot, chat, specs, operators, said
):
    async with open_bot(operators=operators) as bot:
        answer = await answered(bot, chat, "ana", "start tiny")

        assert said in answer
        assert [w.user for w in chat.whispers] == ["memory:ana"]
        assert chat.posts == {}
        assert bot.house.store.runs.all() == []
        assert bot.house.store.upkeep.commands() == [("memory:ana", "start tiny", False)]


# --- a full disk --------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 16 MiB."""
    mount = shutil.which("mount")
    if mount is None:
        pytest.skip("a small disk is needed, and there is no mount command here")
    folder = tmp_path / "small-disk"
    folder.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"a small disk is needed, and mounting is not permitted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder, leave):
    """Use up the disk but for `leave` bytes; the file to delete when space is wanted again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        with contextlib.suppress(OSError):  # full
            while file.write(bytes(1 << 16)):
                pass
        file.truncate(max(0, file.tell() - leave))
    return ballast


def is_whole(checkpoint):
    """True when a checkpoint's weights are still the ones it was stored with."""
    from trainer import activations
    from trainer.checkpoint import digest

    weights = activations.load(Path(checkpoint.path) / "weights.safetensors")
    return digest(weights) == checkpoint.weights_sha256


@pytest.mark.parametrize("leave", [600_000, 0], ids=["no room for a checkpoint", "no room at all"])
async def test_a_full_disk_fails_the_run_and_harms_no_checkpoint(
    open_bot, chat, tiny_spec, small_disk, tmp_path, leave
):
    """Rank 512 makes a checkpoint of a megabyte, more than is left."""
    spec = tiny_spec(ask={"at": [0.5], "feature_cards": 0}, lora={"r": 512})
    database = f"sqlite:///{tmp_path / 'joulery.db'}"  # on another disk: the run can be told of
    async with open_bot(data_dir=small_disk, database_url=database) as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        await open_cards(chat, 6)
        [checkpoint] = bot.house.store.runs.checkpoints("r1.human")
        ballast = fill(small_disk, leave)
        await vote_on_all(chat, "ana")
        run = await ended(bot, run)
        told = next(t for t in thread(chat, head(chat, run).ref) if "is failed" in t)

        assert run.state is RunState.FAILED
        assert "the disk is full; free some space, then say resume" in told
        assert "internal error" not in told
        assert is_whole(checkpoint)
        assert [p.name for p in Path(checkpoint.path).parent.iterdir()] == [
            Path(checkpoint.path).name
        ]

        ballast.unlink()
        await chat.command("ana", "resume r1", "joulery")
        await until(lambda: bot.house.store.runs.get("r1").state is not RunState.FAILED)
        run = await vote_until_ended(chat, bot, run)
        assert run.state is RunState.FINISHED
        assert is_whole(bot.house.store.runs.checkpoints("r1.human")[-1])


async def test_a_bot_outlives_a_full_disk_under_its_database(open_bot, chat, tiny_spec, small_disk):
    """Nothing can be stored meanwhile; with space it goes on, at most after a `resume`."""
    spec = tiny_spec(ask={"at": []}, train={"epochs": 100})
    async with open_bot(data_dir=small_disk) as bot:
        run = await bot.rounds.begin(spec, who="memory:ana")
        await at_work(bot.house.store, 0)
        ballast = fill(small_disk, 0)
        await asyncio.sleep(4)
        ballast.unlink()
        if bot.house.store.runs.get("r1").state is RunState.FAILED:
            await bot.rounds.resume("r1", "memory:ana")
        run = await ended(bot, run, timeout_s=30)
        if run.state is RunState.FAILED:
            await bot.rounds.resume("r1", "memory:ana")
            run = await ended(bot, run, timeout_s=30)

        assert run.state is RunState.FINISHED
