"""A segment in a real process of its own: started, heard, killed, and found again."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.trainer.plans import ASK, Arm, plan_of
from trainer.launch import Child, Handle, LocalLauncher, tail
from trainer.marks import Mark
from trainer.segment import SegmentPlan, SegmentReport

TIMEOUT_S = 120.0


class Ear:
    """All marks of a child, and a way to wait for one."""

    def __init__(self) -> None:
        self.heard: list[Mark] = []

    def __call__(self, mark: Mark) -> None:
        self.heard.append(mark)

    @property
    def phases(self) -> list[str]:
        return [m.phase for m in self.heard if m.kind == "phase"]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return once something is so."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_so():
            assert time.monotonic() < deadline, self.heard
            await asyncio.sleep(0.02)


@pytest.fixture
def launcher() -> LocalLauncher:
    return LocalLauncher()


@pytest.fixture
def ear() -> Ear:
    return Ear()


def contents(folder: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


async def ended(child: Child) -> int | None:
    return await asyncio.wait_for(child.wait(), TIMEOUT_S)


@pytest.fixture
def endless(tiny_spec, tmp_path) -> SegmentPlan:
    """A plan that would train for many minutes."""
    return plan_of(tiny_spec(train={"epochs": 100, "batch_size": 1, "evaluations": 1}), tmp_path)


# --- a child's whole life -----------------------------------------------------------------------


async def test_a_child_carries_out_its_plan_and_leaves_a_report(launcher, ear, tiny_spec, tmp_path):
    """The same weights as in this process: the fork changes nothing."""
    plan = plan_of(tiny_spec(), tmp_path / "child", questions=ASK)

    child = await launcher.start(plan, ear)
    assert child.is_alive
    assert await ended(child) == 0

    report = SegmentReport.read(plan.report_path)
    here = Arm(tiny_spec(), tmp_path / "here")
    here.go(1.0)
    assert not child.is_alive
    assert report.outcome == "done"
    assert report.checkpoint.weights_sha256 == here.weights
    assert SegmentPlan.read(Path(plan.folder) / "plan.json") == plan


async def test_marks_come_in_order_and_the_last_says_the_end(launcher, ear, tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(train={"evaluations": 1}), tmp_path)

    child = await launcher.start(plan, ear)
    await ended(child)
    await ear.until(lambda: bool(ear.heard) and ear.heard[-1].kind == "end")

    assert ear.phases == ["score", "evaluate", "train", "evaluate", "train", "checkpoint", "score"]
    cpu = [m.cpu_s for m in ear.heard if m.kind in ("phase", "end")]
    assert cpu == sorted(cpu)
    report = SegmentReport.read(plan.report_path)
    assert [m.report for m in ear.heard if m.kind == "selection"] == [report.selection]


async def test_a_child_says_who_it_is(launcher, ear, tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(), tmp_path, until=0.0)

    child = await launcher.start(plan, ear)
    await ended(child)

    own = json.loads((Path(plan.folder) / "process.json").read_text())
    assert own["pid"] == child.handle.pid != os.getpid()
    assert own["created"] == pytest.approx(child.handle.created, abs=0.05)


async def test_refused_input_is_a_report_with_one_plain_sentence(
    launcher, ear, tiny_spec, tmp_path
):
    plan = plan_of(tiny_spec(data={"pool": f"csv:{tmp_path / 'nowhere.csv'}"}), tmp_path / "arm")

    child = await launcher.start(plan, ear)

    assert await ended(child) == 0
    report = SegmentReport.read(plan.report_path)
    assert report.outcome == "refused"
    assert "no data file at" in report.message
    assert "check the path in the spec" in report.message
    assert report.checkpoint is None
    assert "input refused" in tail(plan)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's")
async def test_a_checkpoint_that_cannot_be_written_is_a_report_and_the_old_one_stays(
    launcher, ear, tiny_spec, tmp_path
):
    """The child may write no file above 6 kB from its second segment on."""
    import resource

    arm = Arm(tiny_spec(train={"epochs": 20}), tmp_path)
    old = arm.go(0.05).checkpoint
    before = contents(old.path)
    plan = plan_of(arm.spec, tmp_path, segment=1, checkpoint=old.path)

    child = await launcher.start(plan, ear)
    resource.prlimit(child.handle.pid, resource.RLIMIT_FSIZE, (6000, 6000))

    assert await ended(child) == 0
    report = SegmentReport.read(plan.report_path)
    assert report.outcome == "refused"
    assert "cannot write" in report.message
    assert "too large" in report.message
    assert "resume" in report.message
    assert contents(old.path) == before
    assert os.listdir(tmp_path / "checkpoints") == [os.path.basename(old.path)]


async def test_a_child_that_is_killed_is_seen_to_have_ended(launcher, ear, endless):
    child = await launcher.start(endless, ear)
    await ear.until(lambda: "train" in ear.phases)

    os.kill(child.handle.pid, signal.SIGKILL)

    assert await ended(child) == -signal.SIGKILL
    assert not child.is_alive
    assert not endless.report_path.exists()
    assert "end" not in {m.kind for m in ear.heard}


async def test_a_run_whose_child_was_killed_can_be_repeated(launcher, ear, tiny_spec, tmp_path):
    spec = tiny_spec(train={"epochs": 20})
    plan = plan_of(spec, tmp_path / "killed")
    child = await launcher.start(plan, ear)
    await ear.until(lambda: "train" in ear.phases)
    os.kill(child.handle.pid, signal.SIGKILL)
    await ended(child)

    again = Arm(spec, tmp_path / "killed")
    again.go(1.0)
    straight = Arm(spec, tmp_path / "straight")
    straight.go(1.0)

    assert again.weights == straight.weights


async def test_a_child_asked_to_stop_leaves_a_checkpoint(launcher, ear, endless):
    child = await launcher.start(endless, ear)
    await ear.until(lambda: "train" in ear.phases)

    await child.end(TIMEOUT_S)

    report = SegmentReport.read(endless.report_path)
    assert report.outcome == "stopped"
    assert 0 < report.checkpoint.samples < report.planned_samples
    assert await ended(child) == 0


async def test_a_child_that_does_not_stop_is_killed(launcher, ear, endless):
    child = await launcher.start(endless, ear)
    await ear.until(lambda: "train" in ear.phases)
    os.kill(child.handle.pid, signal.SIGSTOP)

    await child.end(0.3)

    assert not child.is_alive
    assert not endless.report_path.exists()


async def test_the_terminals_ctrl_c_is_not_the_childs_business(launcher, ear, endless):
    child = await launcher.start(endless, ear)
    await ear.until(lambda: "train" in ear.phases)

    os.kill(child.handle.pid, signal.SIGINT)
    trained = len(ear.heard)
    await ear.until(lambda: len(ear.heard) > trained)

    assert child.is_alive
    assert os.getpgid(child.handle.pid) == child.handle.pid
    await child.end(TIMEOUT_S)


async def test_an_error_nobody_foresaw_ends_the_child_with_a_log(
    launcher, ear, tiny_spec, tmp_path
):
    """The arm's folder is a file: no input of a person's, so no refusal either."""
    plan = plan_of(tiny_spec(), tmp_path, arm_folder=str(tmp_path / "file" / "arm"))
    (tmp_path / "file").write_text("in the way")

    child = await launcher.start(plan, ear)
    status = await ended(child)

    if status == 0:
        assert SegmentReport.read(plan.report_path).outcome == "refused"
    else:
        assert "NotADirectoryError" in tail(plan)
        assert not plan.report_path.exists()


def test_the_end_of_a_log_is_all_that_is_shown(tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(), tmp_path)
    assert tail(plan) == ""
    Path(plan.folder).mkdir()
    (Path(plan.folder) / "log.txt").write_bytes(b"".join(b"line %d \xff\n" % i for i in range(99)))

    assert tail(plan, lines=2) == "line 97 \ufffd\nline 98 \ufffd"


# --- finding a child again ----------------------------------------------------------------------


async def test_a_living_child_is_adopted_by_pid_and_birth(launcher, ear, endless):
    """As after a restart of the bot: only the handle is left."""
    child = await launcher.start(endless, ear)
    await ear.until(lambda: "train" in ear.phases)
    handle = Handle.model_validate_json(child.handle.model_dump_json())

    adopted = LocalLauncher().adopt(handle, endless)
    assert adopted is not None
    assert adopted.is_alive
    adopted.ask_to_stop()

    assert await ended(adopted) is None  # the exit status is its parent's
    assert SegmentReport.read(endless.report_path).outcome == "stopped"
    assert await ended(child) == 0
    assert launcher.adopt(handle, endless) is None


def test_a_stranger_with_the_same_pid_is_not_adopted(launcher, endless):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        born = psutil.Process(stranger.pid).create_time()
        found = launcher.adopt(Handle(pid=stranger.pid, created=born - 60), endless)
        same = launcher.adopt(Handle(pid=stranger.pid, created=born), endless)
        stranger.communicate(b"\n")

    assert found is None
    assert same is not None
    assert not same.is_alive


def test_a_process_that_has_ended_is_not_adopted_even_before_it_is_reaped(launcher, endless):
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        born = psutil.Process(child.pid).create_time()
        deadline = time.monotonic() + TIMEOUT_S
        while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        adopted = launcher.adopt(Handle(pid=child.pid, created=born), endless)

    assert adopted is None


# --- the fork server ----------------------------------------------------------------------------

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork server on this platform")


@forks
async def test_the_fork_server_has_torch_and_a_single_thread(launcher):
    """A thread or a CUDA context would be inherited broken."""
    pid = await launcher.warm()

    server = psutil.Process(pid)
    assert server.num_threads() == 1
    assert pid != os.getpid()
    if sys.platform == "linux":
        mapped = {Path(m.path).name for m in server.memory_maps()}
        assert any(name.startswith("libtorch") for name in mapped)
        assert not [m.path for m in server.memory_maps() if "/dev/nvidia" in m.path]
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        assert not [f for f in files if f.startswith("/dev/nvidia")]


@forks
async def test_the_fork_server_stays_single_threaded_after_children(
    launcher, ear, tiny_spec, tmp_path
):
    await ended(await launcher.start(plan_of(tiny_spec(), tmp_path, until=0.0), ear))

    assert psutil.Process(await launcher.warm()).num_threads() == 1


@forks
async def test_children_inherit_the_trainer_and_no_cuda(launcher, tmp_path):
    """Asked of a child that does nothing else: all it has, it has from the fork server."""
    code = (
        "import sys; loaded = 'trainer.loop' in sys.modules; import torch, threading\n"
        "said = [loaded, torch.cuda.is_initialized(), torch.cuda._is_in_bad_fork(),\n"
        "        threading.active_count()]\n"
        f"open({str(tmp_path / 'said')!r}, 'w').write(repr(said))"
    )
    await launcher.warm()
    child = multiprocessing.get_context("forkserver").Process(target=exec, args=(code, {}))
    child.start()
    child.join()

    assert (tmp_path / "said").read_text() == "[True, False, False, 1]"


def output_of(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


HEAVY = ["torch", "transformers", "peft", "codecarbon", "matplotlib"]


@pytest.mark.parametrize("module", ["bot.rounds", "bot.app", "trainer.launch"])
def test_the_bots_process_loads_nothing_heavy(module):
    code = f"import {module}, sys\nprint([m for m in {HEAVY} if m in sys.modules])"

    assert output_of(code) == "[]"


# --- without a fork server ----------------------------------------------------------------------


def test_a_plan_can_be_carried_out_from_the_command_line(tiny_spec, tmp_path):
    """As on a batch system: no parent listens, and the weights are the same."""
    plan = plan_of(tiny_spec(), tmp_path / "alone")
    Path(plan.folder).mkdir(parents=True)
    path = Path(plan.folder) / "plan.json"
    plan.write(path)

    done = subprocess.run([sys.executable, "-m", "trainer", str(path)], capture_output=True)

    here = Arm(tiny_spec(), tmp_path / "here")
    here.go(1.0)
    assert done.returncode == 0
    assert SegmentReport.read(plan.report_path).checkpoint.weights_sha256 == here.weights


def test_the_command_line_says_how_it_is_used():
    done = subprocess.run([sys.executable, "-m", "trainer"], capture_output=True, text=True)

    assert done.returncode != 0
    assert "usage: python -m trainer PLAN.json" in done.stderr
