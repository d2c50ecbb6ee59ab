"""Dirt added on purpose to any labelled pool, so that simulated voters have a truth. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainer.data.samples import DataError, Sample
from trainer.spec import DirtSpec


def add_dirt(pool: Sequence[Sample], dirt: DirtSpec, rng: np.random.Generator) -> list[Sample]:
    """The pool with stated shares of wrong labels; the labels as they were become the truth.

    Raises:
        DataError: off-topic samples are asked for, which a labelled file has none of.
    """
    if dirt.off_topic:
        raise DataError(
            f"data.dirt.off_topic = {dirt.off_topic} needs samples from elsewhere, which only "
            "builtin:stdlib and builtin:digits have; set it to 0"
        )
    labels = sorted({sample.label for sample in pool})
    if len(labels) < 2:
        return list(pool)  # there is no wrong label to give; who checks the pool refuses it
    truth = [sample.truth or sample.label for sample in pool]
    given = [sample.label for sample in pool]
    order = rng.permutation(len(pool))
    n_shuffled, n_bulk = round(len(pool) * dirt.shuffled), round(len(pool) * dirt.bulk)
    for i in order[:n_shuffled]:
        wrong = [label for label in labels if label not in (given[i], truth[i])]
        if wrong:
            given[i] = str(rng.choice(wrong))
    if n_bulk:
        wrong_label, right = rng.choice(labels, size=2, replace=False)
        of_label = [i for i in order[n_shuffled:] if given[i] == right]
        if n_bulk >= len(of_label):
            raise DataError(
                f"data.dirt.bulk = {dirt.bulk} files {n_bulk} samples of one label under another, "
                f"but {str(right)!r} has only {len(of_label)}; set a smaller share"
            )
        for i in of_label[:n_bulk]:
            given[i] = str(wrong_label)
    return [
        replace(sample, label=label, truth=right_label)
        for sample, label, right_label in zip(pool, given, truth, strict=True)
    ]
