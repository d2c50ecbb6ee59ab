"""All state of the loop on disk: whole or not at all, exact, and never a pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainer.limits import no_file_above, small_disk
from tests.trainer.plans import Arm
from trainer import checkpoint
from trainer.checkpoint import CheckpointError, LoopState
from trainer.progress import Progress
from trainer.sampler import Cursor
from trainer.segment import CheckpointReport, Refusal

STATE = LoopState(
    samples=40, step=5, cursor=Cursor("abcd", 2, 3), progress=Progress(0.75, 32, 2), openings=1,
    rows=7, opinions="0123",
)  # fmt: skip


class Loop:
    """Two weights, their averages and an optimizer that has taken a few steps."""

    def __init__(self, seed: int, steps: int = 3, rank: int = 4) -> None:
        torch.manual_seed(seed)
        self.weights: dict[str, Tensor] = {
            "lora.a": torch.nn.Parameter(torch.randn(rank, 8)),
            "head.weight": torch.nn.Parameter(torch.randn(3, 8)),
        }
        self.averages = {name: torch.randn_like(w) for name, w in self.weights.items()}
        self.best = {name: torch.randn_like(w) for name, w in self.weights.items()}
        parameters = list(self.weights.values())
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:], "lr": 0.2}]
        )
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """Move all weights by a noisy gradient."""
        for weight in self.weights.values():
            weight.grad = torch.randn_like(weight) * weight.detach()
        self.optimizer.step()

    def save(self, folder: Path, state: LoopState = STATE, **seen: np.ndarray) -> CheckpointReport:
        """Write a checkpoint."""
        weights = {name: w.detach() for name, w in self.weights.items()}
        return checkpoint.save(
            folder, state, weights, self.averages, self.best, self.optimizer, list(weights), seen
        )

    def load(self, path: Path | str) -> tuple[LoopState, dict[str, np.ndarray]]:
        """Read a checkpoint."""
        return checkpoint.load(
            Path(path), self.weights, self.averages, self.best, self.optimizer, list(self.weights)
        )


def contents(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*")) if p.is_file()
    }  # fmt: skip


# --- round trip ---------------------------------------------------------------------------------


def test_all_state_comes_back(tmp_path):
    """Weights, averages, the best of them, AdamW's moments and step count, random numbers."""
    a, b = Loop(seed=1), Loop(seed=2)
    saved = a.save(tmp_path)
    torch.rand(7)  # whatever happens between

    state, seen = b.load(saved.path)
    after_b = (b.step(), b.weights, torch.rand(3))[1:]
    a.load(saved.path)
    after_a = (a.step(), a.weights, torch.rand(3))[1:]

    assert state == STATE
    assert seen == {}
    for name in a.weights:
        assert torch.equal(after_a[0][name], after_b[0][name])
        assert torch.equal(a.averages[name], b.averages[name])
        assert torch.equal(a.best[name], b.best[name])
        assert not torch.equal(a.best[name], a.averages[name])
    assert torch.equal(after_a[1], after_b[1])
    assert str(a.optimizer.state_dict()["state"]) == str(b.optimizer.state_dict()["state"])


def test_what_the_model_thought_of_the_samples_comes_back(tmp_path):
    """To the last bit, and with nan where it was not asked: the selection follows from it."""
    thought = np.random.default_rng(0).normal(size=(9, 3))
    thought[4:] = np.nan

    _, seen = Loop(seed=2).load(Loop(seed=1).save(tmp_path, tuned=thought).path)

    assert np.array_equal(seen["tuned"], thought, equal_nan=True)


def test_going_on_from_a_checkpoint_is_going_on(tmp_path):
    straight = Loop(seed=1)
    saved = straight.save(tmp_path)
    for _ in range(4):
        straight.step()

    resumed = Loop(seed=9, steps=0)
    resumed.load(saved.path)
    for _ in range(4):
        resumed.step()

    assert all(torch.equal(resumed.weights[n], straight.weights[n]) for n in straight.weights)


def test_learning_rates_stay_those_of_the_spec(tmp_path):
    """They are the plan's business, not the checkpoint's."""
    loop = Loop(seed=1)
    saved = loop.save(tmp_path)

    loop.load(saved.path)

    assert [group["lr"] for group in loop.optimizer.param_groups] == [0.1, 0.2]


def test_an_optimizer_that_never_stepped_comes_back_too(tmp_path):
    saved = Loop(seed=1, steps=0).save(tmp_path)
    loop = Loop(seed=2)

    loop.load(saved.path)

    assert loop.optimizer.state_dict()["state"] == {}


def test_the_digest_is_of_names_and_values():
    a = {"x": torch.ones(2), "y": torch.zeros(2)}

    assert checkpoint.digest(a) == checkpoint.digest(dict(reversed(a.items())))
    assert checkpoint.digest(a) != checkpoint.digest({"x": a["y"], "y": a["x"]})
    assert checkpoint.digest(a) != checkpoint.digest({"x": a["x"], "z": a["y"]})


def test_a_report_names_path_samples_and_digest(tmp_path):
    loop = Loop(seed=1)

    report = loop.save(tmp_path)

    assert Path(report.path).parent == tmp_path
    assert report.samples == 40
    assert report.weights_sha256 == checkpoint.digest(loop.weights)


def test_no_file_of_a_checkpoint_is_a_pickle(tiny_spec, tmp_path):
    Arm(tiny_spec(), tmp_path).go(1.0)

    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".csv", ".npz"}
    for path in files:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:  # raises where a pickle is within
                assert all(arrays[name].dtype != object for name in arrays)
            continue
        with pytest.raises(Exception, match=r".*"):
            pickle.loads(path.read_bytes())
        assert not path.read_bytes().startswith(b"PK")  # torch.save makes zip files


def test_saving_again_replaces_what_stood_there(tmp_path):
    loop = Loop(seed=1)
    loop.save(tmp_path)
    loop.step()

    report = loop.save(tmp_path)

    fresh = Loop(seed=3)
    fresh.load(report.path)
    assert torch.equal(fresh.weights["lora.a"], loop.weights["lora.a"])
    assert [p.name for p in tmp_path.iterdir()] == [Path(report.path).name]


# --- damaged and foreign ------------------------------------------------------------------------


def cut(name: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / name).write_bytes((path / name).read_bytes()[:-10])

    return damage


def gone(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


def meta(text: str) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / "meta.json").write_text(text)

    return damage


def meta_with(**parts: object) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        whole = json.loads((path / "meta.json").read_text())
        (path / "meta.json").write_text(json.dumps(whole | parts))

    return damage


def without_random_state(path: Path) -> None:
    tensors = checkpoint.activations.load(path / "optimizer.safetensors")
    del tensors["rng"]
    checkpoint.activations.save(path / "optimizer.safetensors", tensors)


@pytest.mark.parametrize(
    "damage",
    [
        shutil.rmtree,
        gone("meta.json"),
        gone("weights.safetensors"),
        gone("averages.safetensors"),
        gone("best.safetensors"),
        gone("optimizer.safetensors"),
        cut("weights.safetensors"),
        cut("optimizer.safetensors"),
        cut("meta.json"),
        meta("[]"),
        meta(f'{{"format": {checkpoint.FORMAT}}}'),
        meta_with(cursor={"page": 2}),
        meta_with(progress={"worst": 2}),
        meta_with(format=1),
        without_random_state,
    ],
    ids=[
        "no folder", "no meta", "no weights", "no averages", "no best", "no optimizer",
        "half weights", "half optimizer", "half meta", "meta is a list", "meta without state",
        "another cursor", "another progress", "of the format before", "no random state",
    ],
)  # fmt: skip
def test_a_damaged_checkpoint_is_refused_with_the_remedy(tmp_path, damage):
    saved = Loop(seed=1).save(tmp_path)
    damage(Path(saved.path))

    with pytest.raises(
        CheckpointError, match=r"cannot read the checkpoint .*say resume: the one before"
    ):
        Loop(seed=2).load(saved.path)


def test_a_checkpoint_in_a_format_to_come_is_refused(tmp_path):
    """The number is written so that another version can tell."""
    saved = Loop(seed=1).save(tmp_path)
    path = Path(saved.path) / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 99}))

    with pytest.raises(CheckpointError):
        Loop(seed=2).load(saved.path)


def test_a_checkpoint_with_other_names_belongs_to_another_model(tmp_path):
    saved = Loop(seed=1).save(tmp_path)
    other = Loop(seed=2)
    other.weights["lora.b"] = other.weights.pop("lora.a")

    with pytest.raises(CheckpointError, match="belongs to another model; resume with the spec"):
        other.load(saved.path)


def test_a_checkpoint_with_other_shapes_belongs_to_another_model(tmp_path):
    """The same names, another LoRA rank."""
    saved = Loop(seed=1, rank=4).save(tmp_path)
    other = Loop(seed=2, rank=8)

    with pytest.raises(CheckpointError, match="belongs to another model; resume with the spec"):
        other.load(saved.path)


def test_a_checkpoint_whose_shape_would_spread_is_refused_too(tmp_path):
    """(1, 8) can be copied into (4, 8), and would silently be."""
    saved = Loop(seed=1, rank=1).save(tmp_path)

    with pytest.raises(CheckpointError):
        Loop(seed=2, rank=4).load(saved.path)


@pytest.mark.parametrize(
    "other", [{"lora": {"r": 4}}, {"lora": {"top_layers": 2}}], ids=["rank", "layers"]
)
def test_a_run_does_not_go_on_from_a_checkpoint_of_another_spec(tiny_spec, tmp_path, other):
    arm = Arm(tiny_spec(), tmp_path)
    arm.go(0.3)
    arm.spec = tiny_spec(**other)

    with pytest.raises(Refusal, match="belongs to another model"):
        arm.go(1.0)


# --- full disks ---------------------------------------------------------------------------------


def save_until_it_fails(folder: Path) -> None:
    for number in range(2, 9):
        Loop(seed=2).save(folder, LoopState(number * 40, 10, STATE.cursor))


@pytest.mark.parametrize("size", [100, 600, 1000])
def test_a_save_that_fails_leaves_older_checkpoints_whole(tmp_path, size):
    """At 100 bytes the weights do not fit, at 600 and 1,000 the optimizer does not."""
    old = Loop(seed=1).save(tmp_path)
    before = contents(tmp_path)

    with no_file_above(size), pytest.raises(OSError, match=r".+") as failure:
        Loop(seed=2).save(tmp_path, LoopState(80, 10, STATE.cursor))

    assert contents(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == [Path(old.path).name]
    assert str(failure.value.filename).startswith(str(tmp_path))
    Loop(seed=3).load(old.path)


def test_a_save_that_fails_leaves_the_checkpoint_of_the_same_name_whole(tmp_path):
    old = Loop(seed=1).save(tmp_path)
    before = contents(tmp_path)

    with no_file_above(600), pytest.raises(OSError, match=r".+"):
        Loop(seed=2).save(tmp_path)

    assert contents(tmp_path) == before
    Loop(seed=3).load(old.path)


def test_a_full_disk_leaves_the_old_checkpoint_whole_and_is_told_as_such(tmp_path):
    with small_disk(tmp_path / "disk", 28) as disk:
        old = Loop(seed=1).save(disk)
        before = contents(disk)
        with pytest.raises(OSError, match=r".+") as failure:
            save_until_it_fails(disk)

        after = contents(disk)
        assert {k: v for k, v in after.items() if k in before} == before
        assert not [name for name in after if ".tmp" in name]
        Loop(seed=3).load(old.path)
    assert failure.value.errno == errno.ENOSPC
    assert str(failure.value.filename).startswith(str(disk))


@pytest.mark.parametrize("kib", range(4, 40, 4))
def test_wherever_the_disk_becomes_full_the_error_says_so_and_nothing_is_left(tmp_path, kib):
    """Space may end within any of the files, the smallest one included."""
    with small_disk(tmp_path / "disk", 40) as disk:
        (disk / "ballast").write_bytes(b"x" * (40 - kib) * 1024)
        try:
            Loop(seed=1).save(disk / "checkpoints")
        except OSError as err:
            assert err.errno == errno.ENOSPC  # noqa: PT017 -- large disks are fine
            assert not list(disk.rglob("*.safetensors"))
