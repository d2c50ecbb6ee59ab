"""Dirt added on purpose to any pool, so that simulated voters have a truth. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trainer.data.duplicates import fingerprint
from trainer.data.samples import OFF_TOPIC, DataError, Sample
from trainer.kinds import SIDES
from trainer.spec import DirtSpec


def add_dirt(pool: Sequence[Sample], dirt: DirtSpec, rng: np.random.Generator) -> list[Sample]:
    """The pool with stated shares of wrong labels; the labels as they were become the truth.

    Prompts get answers to other prompts, pairs are turned round.

    Raises:
        DataError: off-topic samples are asked for, which a file has none of, or answers in bulk.
    """
    if pool and pool[0].answers:
        return _among_answers(pool, dirt, rng)
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


def exchanged(pool: Sequence[Sample], which: Sequence[int] | np.ndarray) -> list[Sample]:
    """The pool with the answers of some samples exchanged among them: those are bad ones then.

    An answer that says the same as the one in its place stays a good one.
    """
    changed = list(pool)
    for i, source in zip(which, np.roll(which, 1), strict=True):
        sample, answer = pool[i], pool[source].fields["answer"]
        if fingerprint(answer) != fingerprint(sample.fields["answer"]):
            fields = {**sample.fields, "answer": answer}
            changed[i] = replace(sample, fields=fields, truth=OFF_TOPIC)
    return changed


def turned(pool: Sequence[Sample], which: Sequence[int] | np.ndarray) -> list[Sample]:
    """The pool with some pairs filed the wrong way round."""
    changed = list(pool)
    for i in which:
        sample = pool[i]
        # what is wrong already is not put right, what has no better side has no wrong one
        if sample.truth == sample.label:
            other = SIDES[1 - SIDES.index(sample.label)]
            changed[i] = replace(sample, label=other)
    return changed


def _among_answers(
    pool: Sequence[Sample], dirt: DirtSpec, rng: np.random.Generator
) -> list[Sample]:
    for key, share in (("bulk", dirt.bulk), ("off_topic", dirt.off_topic)):
        if share:
            raise DataError(
                f"data.dirt.{key} = {share} of prompts with answers is something that only "
                "builtin:stdlib has; set it to 0"
            )
    which = rng.permutation(len(pool))[: round(len(pool) * dirt.shuffled)]
    known = [replace(sample, truth=sample.truth or sample.label) for sample in pool]
    return turned(known, which) if len(pool[0].answers) > 1 else exchanged(known, which)
