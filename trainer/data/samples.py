"""What a sample is, and what holds for every pool, whatever it was read from. Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainer.data.duplicates import fingerprint as fingerprint  # its old place, for the bench
from trainer.data.duplicates import near_groups
from trainer.data.images import ImageFile
from trainer.kinds import SIDES
from trainer.segment import Refusal

OFF_TOPIC = "(off topic)"
"""The truth of a sample that belongs under no label of the task: a bad answer, a pair of equals."""
_MEANS = re.compile(r"[^\w\s.,;:!?'\"\u2018\u2019\u201c\u201d\u2026]|\d")
"""What may change the meaning of an answer: a digit, or a mark that stands in no plain sentence."""


class DataError(Refusal):
    """The data cannot be learnt from; the text says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of a pool, a dev set or a test set.

    Attributes:
        sample_id: unique in a run.
        fields: what the task's model reads: `text`, or `image` (an ImageFile), or `prompt` with
            `answer`, or `prompt` with `a` and `b`. Where the prompt is a chat there are also its
            `messages`, ((role, content), ...); `prompt` then says all of them. Where the data files
            a text or an image under several labels at once there are its `labels`, and as many
            samples, each under one (pick-all-labels, Menon et al. 2019).
        label: what it is filed under, one of `ANSWER` or `SIDES` where there is a prompt.
        truth: the right label or OFF_TOPIC; None if unknown. Read by simulated voters only.
    """

    sample_id: str
    fields: Mapping[str, Any]
    label: str
    truth: str | None = None

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
    def prompt(self) -> str:
        """What is asked; the empty string where the sample is no prompt."""
        return str(self.fields.get("prompt", ""))

    @property
    def answers(self) -> tuple[str, ...]:
        """The answer to the prompt, or both of them: A, then B."""
        return tuple(str(self.fields[x]) for x in ("answer", "a", "b") if x in self.fields)

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels of what it shows; the given one is among them."""
        labels: tuple[str, ...] = self.fields.get("labels", (self.label,))
        return labels

    @property
    def content(self) -> str:
        """Equal for samples that show the same: the text, or `image:` and the image's digest.

        With a prompt: that and its answers, whichever side they stand on.
        """
        if self.answers:
            return "\0".join((self.prompt, *sorted(self.answers)))
        return f"image:{self.image.digest}" if self.image else self.text

    @property
    def shown(self) -> str:
        """What people know it by: the beginning of its text or prompt, or the image's name."""
        return self.image.name if self.image else (self.text or self.prompt)[:60]


def pair(sample_id: str, prompt: Mapping[str, Any], chosen: str, rejected: str) -> Sample:
    """Two answers to a prompt, filed as the data files them; the truth is unknown.

    The texts alone say who stands on which side, by a hash: so the side gives nothing away, and the
    same pair always looks the same.

    Args:
        sample_id: unique in a run.
        prompt: the fields that say it: `prompt`, and `messages` of a chat.
        chosen: the answer that is called the better one.
        rejected: the other.
    """

    def place(answer: str) -> str:
        return fingerprint(f"{prompt['prompt']}\0{' '.join(answer.split())}")

    # what differs in case or white space alone has one place: then the texts themselves tell
    a, b = sorted((chosen, rejected), key=lambda answer: (place(answer), answer))
    return Sample(sample_id, {**prompt, "a": a, "b": b}, SIDES[0] if a == chosen else SIDES[1])


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

    Images are the same only where every byte is, answers only where their numbers and symbols are.
    """
    if any(sample.image for sample in samples):
        first: dict[tuple[str, str], int] = {}
        keys = [(s.label, s.content) for s in samples]
        return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)
    texts = ["\n".join((s.prompt, *s.answers)) if s.answers else s.text for s in samples]
    marks = ["".join(_MEANS.findall(text)) for text in texts]
    return near_groups(
        texts,
        [f"{s.label}\0{m}" if s.answers else s.label for s, m in zip(samples, marks, strict=True)],
    )


def hold_out(
    samples: Sequence[Sample], share: float, rng: np.random.Generator
) -> tuple[list[Sample], list[Sample]]:
    """(rest, held out): about `share` of every label, equal contents always on the same side.

    So are all answers to one prompt: who has learnt some of them knows something of the others.
    """
    by_content: dict[str, list[Sample]] = {}
    for sample in samples:
        by_content.setdefault(fingerprint(sample.prompt or sample.content), []).append(sample)
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
    pool: Iterable[Sample],
    dev: Sequence[Sample],
    test: Sequence[Sample],
    skipped: Skipped,
    labels: tuple[str, ...] = (),
) -> Splits:
    """The splits of a run once they are fit to learn from.

    Held-out samples with labels the pool does not know are skipped and counted.

    Args:
        pool: the samples to learn from.
        dev: held-out samples that steer the run.
        test: held-out samples that steer nothing; may be empty.
        skipped: what was left out so far.
        labels: those of the task, where they are no names of classes that the pool brings along.

    Raises:
        DataError: empty pool, one class only, empty dev set, or held-out contents in the pool.
    """
    kept = tuple(pool)
    if not kept:
        raise DataError(
            f"the pool is empty{why_empty(skipped)}; check the path and the columns named in the spec"
        )
    labels = labels or _classes(kept)
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
            f"the dev set is empty{why_empty(skipped)}; name a dev source, or a larger share of the pool"
        )
    return Splits(kept, held_out[0], held_out[1], labels, skipped)


def _classes(pool: Sequence[Sample]) -> tuple[str, ...]:
    labels = tuple(sorted({sample.label for sample in pool}))
    if len(labels) < 2:
        raise DataError(
            f"all {len(pool)} samples of the pool carry the label {labels[0]!r}; "
            "give at least two classes, or name another label column"
        )
    return labels


def why_empty(skipped: Skipped) -> str:
    """What was left out, in brackets, for an error; empty where nothing was."""
    reasons = ", ".join(
        f"{n} x {reason}, e.g. {example!r}" if example else f"{n} x {reason}"
        for reason, n, example in skipped.rows()
    )
    return f" ({reasons})" if reasons else ""


def _refuse_overlap(name: str, pool: Sequence[Sample], held: Sequence[Sample]) -> None:
    contents = {fingerprint(sample.content) for sample in pool}
    shared = [s for s in held if fingerprint(s.content) in contents]
    if shared:
        raise DataError(
            f"{len(shared)} of {len(held)} {name} samples also stand in the pool "
            f"(e.g. {shared[0].shown!r}); remove them from one side, or the metric is worthless"
        )
