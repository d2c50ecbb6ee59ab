"""Clean exemplars for the arm `rho`, as a file in the arm's folder: no plan of the product has any."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from trainer.files import write_whole
from trainer.segment import Refusal

FILE = "exemplars.json"

Exemplar = tuple[str, str]
"""A text that is in no pool, and its right label."""


def picked(spare: Sequence[Exemplar], labels: Collection[str], n: int, seed: int) -> list[Exemplar]:
    """`n` of the spare texts, one of each label first: what people who label `n` texts well give.

    Fewer where there are fewer. Pure.

    Args:
        spare: texts in no pool.
        labels: of the pool; texts of others are passed over.
        n: how many.
        seed: of the choice.
    """
    order = np.random.default_rng([seed, 22]).permutation(len(spare))
    mine = [spare[i] for i in order if spare[i][1] in labels]
    firsts = list({label: (text, label) for text, label in mine}.values())
    return [*firsts, *(exemplar for exemplar in mine if exemplar not in firsts)][:n]


def write(arm_folder: Path, exemplars: Sequence[Exemplar]) -> None:
    """Leave them where the arm looks for them.

    Raises:
        OSError: the disk is full.
    """
    write_whole(arm_folder / FILE, json.dumps(exemplars))


def read(arm_folder: Path) -> list[Exemplar]:
    """What was written.

    Raises:
        Refusal: nothing was.
    """
    try:
        rows = json.loads((arm_folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(
            f"the arm rho needs clean exemplars in {arm_folder / FILE}; run it by the benchmark"
        ) from None
    return [(text, label) for text, label in rows]
