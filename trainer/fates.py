"""What became of every sample a segment looked at, and why: written by the child, read by the bot.

A numpy archive without pickle beside the segment's report: some 13 bytes a sample, so that a pool
of 100 000 is written in 0.2 s to 1.3 MB, and one sample of it is found in 0.03 s.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from trainer.selection import Selection  # with all of scipy: the bot only reads

FILE = "fates.npz"
"""Its name in the folder of the segment's attempt."""

Array = np.ndarray


class Reason(IntEnum):
    """Why a sample is trained on or is not; the numbers stand in files."""

    KEPT = 0
    COPY = 1  # another one that says the same stands for it
    VOTED_OUT = 2  # people said no
    DOUBTED = 3  # the model of the votes, or label names where votes are not heard, say no
    SURPASSED = 4  # others of its label are surer, and those are enough


class FateError(Exception):
    """The file cannot be read."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one sample.

    Attributes:
        reason: why.
        given: the label it is filed under.
        label: the one it is trained on.
        keep: how sure we are that it is good, in [0, 1].
        weight: in training, 0 = set aside; mean 1 over what is trained on.
        said: what people's votes on it, or on a copy of it, come to, in [0, 1]; None: none.
        place: among those of its label that are no copies, 1 = the surest.
        of: how many these are.
        kept: how many of them are trained on.
        copies: how many samples say the same, itself included.
        first: the one of them that stands for all.
    """

    reason: Reason
    given: str
    label: str
    keep: float
    weight: float
    said: float | None
    place: int
    of: int
    kept: int
    copies: int
    first: str


@dataclass(frozen=True, slots=True)
class Looked:
    """The samples that were looked at; every array is over them.

    Attributes:
        rows: int64, their places in the pool.
        ids: sample ids.
        names: all labels.
        given: int64, the label each is filed under.
        group: int64, place of the first one that says the same.
        said: float, what people's votes on each, or on a copy of it, come to; nan: none.
        out: places of those people threw out under whichever label.
        is_two_sided: whether a doubted sample is turned to the other label instead.
    """

    rows: Array
    ids: Sequence[str]
    names: Sequence[str]
    given: Array
    group: Array
    said: Array
    out: Sequence[int]
    is_two_sided: bool


def write(path: Path, looked: Looked, chosen: Selection) -> None:
    """Write the fates, whole or not at all.

    Args:
        path: of the file.
        looked: the samples.
        chosen: what is trained on, over the whole pool.

    Raises:
        OSError: the disk is full or the folder is gone.
    """
    rows = looked.rows
    keep, weight = chosen.keep[rows], chosen.weight[rows]
    spelt = [sample_id.encode() for sample_id in looked.ids]
    about = {"names": list(looked.names), "note": chosen.note}
    held = io.BytesIO()
    np.savez_compressed(
        held,
        ids=np.frombuffer(b"".join(spelt), dtype=np.uint8),
        ends=np.cumsum([len(one) for one in spelt], dtype=np.int64),
        reason=_reasons(looked, chosen, keep, weight),
        given=looked.given.astype(np.int32),
        label=chosen.label[rows].astype(np.int32),
        group=looked.group.astype(np.int32),
        keep=keep.astype(np.float32),
        weight=weight.astype(np.float32),
        said=looked.said.astype(np.float32),
        about=np.frombuffer(json.dumps(about).encode(), dtype=np.uint8),
    )
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(held.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _reasons(looked: Looked, chosen: Selection, keep: Array, weight: Array) -> Array:
    """uint8 (n,): the last reason that holds is the one told."""
    reason = np.full(len(looked.ids), Reason.SURPASSED, dtype=np.uint8)
    reason[keep <= chosen.least] = Reason.DOUBTED
    if not looked.is_two_sided:
        # what people said is what a sample was judged by, but where names decide or it got another label
        is_heard = np.isclose(looked.said, keep)
        reason[is_heard & (looked.said < 0.5)] = Reason.VOTED_OUT  # rather no than yes
    thrown = looked.group[np.array(looked.out, dtype=np.int64)]
    reason[np.isin(looked.group, thrown)] = Reason.VOTED_OUT
    reason[looked.group != np.arange(len(looked.group))] = Reason.COPY
    reason[weight > 0] = Reason.KEPT
    return reason


def read(path: Path, sample_id: str) -> tuple[Fate | None, str]:
    """(what became of a sample, why votes count for the voted samples alone; "" when they do not).

    None for a sample that was not looked at.

    Raises:
        FateError: the file is damaged.
        OSError: it is not there.
    """
    with _opened(path) as (found, about):
        return _fate_of(found, about["names"], sample_id), str(about["note"])


def read_all(path: Path) -> dict[str, tuple[Reason, str, float, float]]:
    """Sample -> (why, the label it is trained on, how sure we are, weight), of all looked at.

    Raises:
        FateError: the file is damaged.
        OSError: it is not there.
    """
    with _opened(path) as (found, about):
        text, ends = found["ids"].tobytes(), found["ends"].tolist()
        ids = [text[a:b].decode() for a, b in pairwise((0, *ends))]
        columns = (found[name].tolist() for name in ("reason", "label", "keep", "weight"))
        return {
            sample_id: (Reason(reason), about["names"][label], keep, weight)
            for sample_id, reason, label, keep, weight in zip(ids, *columns, strict=True)
        }


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Array], dict[str, Any]]]:
    """(arrays, what is said about them)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = {name: stored[name] for name in stored.files}
        yield found, json.loads(found["about"].tobytes())
    except (ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as err:
        raise FateError(f"cannot read {path}: {err}") from err


def _fate_of(found: Mapping[str, Array], names: Sequence[str], sample_id: str) -> Fate | None:
    text, ends = found["ids"].tobytes(), found["ends"]
    at = _place_of(text, ends, sample_id.encode())
    if at is None:
        return None
    label, group, keep = found["label"], found["group"], found["keep"]
    same = (label == label[at]) & (group == np.arange(len(group)))
    surer = same & (keep > keep[group[at]])
    said, first = float(found["said"][at]), int(group[at])
    return Fate(
        reason=Reason(int(found["reason"][at])),
        given=names[found["given"][at]],
        label=names[label[at]],
        keep=float(keep[at]),
        weight=float(found["weight"][at]),
        said=None if np.isnan(said) else said,
        place=int(surer.sum()) + 1,
        of=int(same.sum()),
        kept=int((same & (found["weight"] > 0)).sum()),
        copies=int((group == first).sum()),
        first=text[ends[first - 1] if first else 0 : ends[first]].decode(),
    )


def _place_of(text: bytes, ends: Array, sample_id: bytes) -> int | None:
    starts = np.concatenate([[0], ends[:-1]])
    for at in np.flatnonzero(ends - starts == len(sample_id)):
        if text[starts[at] : ends[at]] == sample_id:
            return int(at)
    return None
