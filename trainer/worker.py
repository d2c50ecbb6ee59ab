"""The child process: one segment, from its plan on disk to its report, then the end.

Torch-free at import: the fork server already holds torch, and the bot imports this module to
name `run` as the target.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from trainer.files import write_whole
from trainer.marks import Marks
from trainer.segment import Refusal, SegmentPlan, SegmentReport

log = logging.getLogger(__name__)

DISK_TROUBLE = os.EX_IOERR if hasattr(os, "EX_IOERR") else 74
"""Exit status of a child that could not even write its report."""
NO_ROOM = "the disk is full; free some space, then say resume: the last checkpoint is whole"
NO_ROOM_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG})


def no_room(err: OSError) -> str:
    """What a disk that takes no more says to people."""
    if err.errno == errno.ENOSPC:
        return NO_ROOM
    where = f" ({err.filename})" if err.filename else ""
    return f"cannot write: {err.strerror}{where}; mend that, then say resume"


def nothing() -> None:
    """End at once: the first child waits until the fork server has loaded everything."""


def run(plan_path: str, line: Connection | None) -> None:
    """Carry out the plan and leave this process, with or without a parent listening.

    Exit status 0 means a report was written, even one that says the input was refused.
    """
    if hasattr(os, "setsid") and os.getpgrp() != os.getpid():
        os.setsid()  # a group of its own: the terminal's Ctrl-C is the parent's business
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plan = SegmentPlan.read(Path(plan_path))
    folder = Path(plan.folder)
    _log_to(folder / "log.txt")
    own = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    write_whole(folder / "process.json", json.dumps(own))
    if plan.cuda_device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = plan.cuda_device
    marks = Marks(line.send_bytes if line is not None else None)
    try:
        report = _report(plan, marks)
        report.write(plan.report_path)
    except BaseException as err:  # noqa: BLE001 -- the last frame of the process
        with contextlib.suppress(OSError):
            traceback.print_exc()
        _leave(DISK_TROUBLE if isinstance(err, OSError) and err.errno in NO_ROOM_ERRORS else 1)
    marks.end()
    _leave(0)


def _report(plan: SegmentPlan, marks: Marks) -> SegmentReport:
    from trainer.loop import train_segment  # torch

    started_at = datetime.now(UTC)
    try:
        return train_segment(plan, marks, started_at)
    except Refusal as refusal:
        log.warning("input refused", extra={"reason": str(refusal)})
        message = str(refusal)
    except OSError as err:
        if err.errno not in NO_ROOM_ERRORS:
            raise
        message = no_room(err)
    return SegmentReport.of(
        plan,
        outcome="refused",
        message=message,
        costs=marks.costs(),
        started_at=started_at,
        ended_at=datetime.now(UTC),
    )


def _log_to(path: Path) -> None:
    """Send everything this process and its libraries print to a file."""
    file = path.open("a", buffering=1, encoding="utf-8")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.stdout = sys.stderr = file
    logging.basicConfig(
        stream=file, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )


def _leave(status: int) -> None:
    """End without the interpreter's tear-down, which would cost joules nobody gains from."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    os._exit(status)
