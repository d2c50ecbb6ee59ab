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
            f"data.dirt.off_topic = {dirt.off_topic} needs texts from elsewhere, which only "
            "builtin:stdlib has; set it to 0"
        )
    labels = sorted({sample.label for sample in pool})
    if len(labels) < 2:
        return list(pool)  # there is no wrong label to give; who checks the pool refuses it
    truth = [sample.truth or sample.label for sample in pool]
    given = [sample.label for sample in pool]
    order = rng.permutation(len(pool))
    n_shuffled, n_bulk = round(len(pool) * dirt.shuffled), round(len(pool) * dirt.bulk)
    for i in order[:n_shuffled]:
        given[i] = str(rng.choice([label for label in labels if label != given[i]]))
    if n_bulk and len(labels) > 1:
        wrong, right = rng.choice(labels, size=2, replace=False)
        filed = [i for i in order[n_shuffled:] if given[i] == right][:n_bulk]
        for i in filed:
            given[i] = str(wrong)
    return [
        replace(sample, label=label, truth=right_label)
        for sample, label, right_label in zip(pool, given, truth, strict=True)
    ]
