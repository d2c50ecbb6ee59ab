"""What a sample is, and what holds for every pool, whatever it was read from. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.data.duplicates import fingerprint as fingerprint  # its old place, for the bench
from trainer.data.duplicates import near_groups
from trainer.data.images import ImageFile
from trainer.segment import Refusal

OFF_TOPIC = "(off topic)"
"""The truth of a sample that belongs under no label of the task."""


class DataError(Refusal):
    """The data cannot be learnt from; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a pool, a dev set or a test set."""

    sample_id: str
    fields: Mapping[str, Any]  # what the task's model reads: {"text": str} or {"image": ImageFile}
    label: str
    truth: str | None = None  # the right label or OFF_TOPIC; read by simulated voters only

    @property
    def text(self) -> str:
        """The sample's text; the empty string where it has none."""
        return str(self.fields.get("text", ""))

    @property
    def image(self) -> ImageFile | None:
        """The sample's image; None where it has none."""
        image: ImageFile | None = self.fields.get("image")
        return image

    @property
    def content(self) -> str:
        """Equal for samples that show the same: the text, or `image:` and the image's digest."""
        return f"image:{self.image.digest}" if self.image else self.text

    @property
    def shown(self) -> str:
        """What people know it by: the beginning of its text, or the image's name."""
        return self.image.name if self.image else self.text[:60]


@dataclass(slots=True)
class Skipped:
    """Samples that were left out, counted by reason with one example each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, example: str) -> None:
        """Count one more sample left out for `reason`."""
        self.counts[reason] += 1
        self.examples.setdefault(reason, example[:120])

    def rows(self) -> tuple[tuple[str, int, str], ...]:
        """(reason, count, example), most frequent first."""
        return tuple((reason, n, self.examples[reason]) for reason, n in self.counts.most_common())


@dataclass(frozen=True, slots=True)
class Splits:
    """The data of one run: `pool` may be dirty; `dev` steers, `test` only measures."""

    pool: tuple[Sample, ...]
    dev: tuple[Sample, ...]
    test: tuple[Sample, ...]
    labels: tuple[str, ...]  # sorted; index = class id
    skipped: Skipped

    @property
    def has_truth(self) -> bool:
        """True when simulated voters can vote on this pool."""
        return all(sample.truth is not None for sample in self.pool)

    def digest(self) -> str:
        """Equal for the same ids, texts or images, and labels in the same order."""
        sha = hashlib.sha256()
        for split in (self.pool, self.dev, self.test):
            sha.update(repr([(s.sample_id, s.content, s.label) for s in split]).encode())
        return sha.hexdigest()


def duplicate_groups(samples: Sequence[Sample]) -> np.ndarray:
    """For each sample the index of the first of its label that says the same: int64 (n,).

    Images are the same only where every byte is.
    """
    if any(sample.image for sample in samples):
        first: dict[tuple[str, str], int] = {}
        keys = [(s.label, s.content) for s in samples]
        return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)
    return near_groups([s.text for s in samples], [s.label for s in samples])


def hold_out(
    samples: Sequence[Sample], share: float, rng: np.random.Generator
) -> tuple[list[Sample], list[Sample]]:
    """(rest, held out): about `share` of every label, equal contents always on the same side."""
    by_content: dict[str, list[Sample]] = {}
    for sample in samples:
        by_content.setdefault(fingerprint(sample.content), []).append(sample)
    wanted = Counter(s.label for s in samples)
    quota = {label: round(share * n) for label, n in wanted.items()}
    held: list[Sample] = []
    rest: list[Sample] = []
    groups = list(by_content.values())
    for i in rng.permutation(len(groups)):
        group = groups[i]
        label = group[0].label
        if len(group) <= quota[label]:
            quota[label] -= len(group)
            held += group
        else:
            rest += group
    order = {s.sample_id: i for i, s in enumerate(samples)}
    rest.sort(key=lambda s: order[s.sample_id])
    held.sort(key=lambda s: order[s.sample_id])
    return rest, held


def check(
    pool: Iterable[Sample], dev: Sequence[Sample], test: Sequence[Sample], skipped: Skipped
) -> Splits:
    """The splits of a run once they are fit to learn from.

    Held-out samples with labels the pool does not know are skipped and counted.

    Raises:
        DataError: empty pool, one class only, empty dev set, or held-out contents in the pool.
    """
    kept = tuple(pool)
    if not kept:
        raise DataError(
            f"the pool is empty{_why(skipped)}; check the path and the columns named in the spec"
        )
    labels = tuple(sorted({sample.label for sample in kept}))
    if len(labels) < 2:
        raise DataError(
            f"all {len(kept)} samples of the pool carry the label {labels[0]!r}; "
            "give at least two classes, or name another label column"
        )
    held_out = []
    for name, split in (("dev", dev), ("test", test)):
        known = []
        for sample in split:
            if sample.label in labels:
                known.append(sample)
            else:
                skipped.add(f"{name} label unknown to the pool", sample.label)
        held_out.append(tuple(known))
        _refuse_overlap(name, kept, known)
    if not held_out[0]:
        raise DataError(
            f"the dev set is empty{_why(skipped)}; name a dev source, or a larger share of the pool"
        )
    return Splits(kept, held_out[0], held_out[1], labels, skipped)


def _why(skipped: Skipped) -> str:
    reasons = ", ".join(f"{n} x {reason}" for reason, n, _ in skipped.rows())
    return f" ({reasons})" if reasons else ""


def _refuse_overlap(name: str, pool: Sequence[Sample], held: Sequence[Sample]) -> None:
    contents = {fingerprint(sample.content) for sample in pool}
    shared = [s for s in held if fingerprint(s.content) in contents]
    if shared:
        raise DataError(
            f"{len(shared)} of {len(held)} {name} samples also stand in the pool "
            f"(e.g. {shared[0].shown!r}); remove them from one side, or the metric is worthless"
        )
