"""Dirty pools with a known truth: wrong labels, off-topic texts and duplicates, in stated shares.

Pure; randomness is an argument. *Uniform* dirt errs sample by sample; *systematic* dirt errs in
bulk, as people do when they misread a guideline: whole heaps of one class under its nearest
neighbour, whole foreign topics under one label.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.data.samples import OFF_TOPIC, DataError, Sample

HEAP = 25
"""Samples of a class that are filed in bulk under its nearest class."""
RESERVED = 14
"""Samples of such a class that are surely filed right: no class is empty."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Shares of a pool; what is left to 1 is exact duplicates of any of it."""

    clean: float
    uniform: float = 0.0
    systematic: float = 0.0
    off_topic: float = 0.0
    off_topic_bulk: float = 0.0

    @property
    def duplicate(self) -> float:
        """Share of exact duplicates."""
        rest = self.uniform + self.systematic + self.off_topic + self.off_topic_bulk
        return max(0.0, 1.0 - self.clean - rest)


RECIPES: Mapping[str, Recipe] = {
    "rand": Recipe(clean=0.40, uniform=0.25, off_topic=0.25),
    "mix": Recipe(clean=0.40, uniform=0.12, systematic=0.13, off_topic=0.12, off_topic_bulk=0.13),
    "sys": Recipe(clean=0.40, systematic=0.25, off_topic_bulk=0.25),
    "mild": Recipe(clean=0.85, uniform=0.07, off_topic=0.05),
    "clean": Recipe(clean=1.0),
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Labelled texts to cook from."""

    texts: Sequence[str]
    labels: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)


def cook(
    recipe: Recipe,
    n: int,
    on_topic: Rows,
    off_topic: Rows | None,
    nearest: Mapping[str, str],
    rng: np.random.Generator,
) -> list[Sample]:
    """A pool of `n` samples; `Sample.truth` is the right label or `OFF_TOPIC`.

    Args:
        recipe: shares of dirt.
        n: size of the pool.
        on_topic: rows of the task; each is used at most once.
        off_topic: rows of other tasks; without any their share is filed wrong instead.
        nearest: label -> the label it is most easily taken for.
        rng: draws everything.

    Raises:
        DataError: too few rows for `n`.
    """
    if off_topic is None or not len(off_topic):
        recipe = Recipe(
            recipe.clean, recipe.uniform + recipe.off_topic,
            recipe.systematic + recipe.off_topic_bulk,
        )  # fmt: skip
    kitchen = _Kitchen(on_topic, nearest, rng)
    drawn = kitchen.systematic(round(n * recipe.systematic), n)
    drawn += kitchen.clean(round(n * recipe.clean))
    drawn += kitchen.uniform(round(n * recipe.uniform))
    if off_topic is not None and len(off_topic):
        labels = kitchen.vocabulary
        in_bulk = _off_topic_bulk(off_topic, labels, round(n * recipe.off_topic_bulk), rng)
        taken = {text for text, _, _ in in_bulk}
        drawn += in_bulk
        drawn += _off_topic(off_topic, taken, labels, round(n * recipe.off_topic), rng)
    copies = rng.integers(len(drawn), size=max(0, n - len(drawn)))
    drawn += [drawn[i] for i in copies]
    return [
        Sample(f"pool-{number}", {"text": text}, label, truth)
        for number, (text, label, truth) in enumerate(drawn[i] for i in rng.permutation(len(drawn)))
    ]


Drawn = tuple[str, str, str]  # text, given label, truth


class _Kitchen:
    """Hands out on-topic rows, each once."""

    def __init__(self, rows: Rows, nearest: Mapping[str, str], rng: np.random.Generator) -> None:
        self._nearest, self._rng = nearest, rng
        self.vocabulary = sorted(set(rows.labels))
        self._rows, self._free = rows, [int(i) for i in rng.permutation(len(rows))]
        self._reserved: list[int] = []

    def _take(self, count: int) -> list[int]:
        if count > len(self._free):
            raise DataError(
                f"the recipe needs {count - len(self._free)} more rows than the data set has; "
                "ask for a smaller pool"
            )
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def systematic(self, count: int, n: int) -> list[Drawn]:
        """Heaps of about 25 rows of a class under its nearest class; 14 rows are set aside."""
        drawn: list[Drawn] = []
        if not count:
            return drawn
        heaps = max(1, min(round(count / HEAP), len(self.vocabulary)))
        size = -(-count // heaps)
        for label in self._rng.permutation(self.vocabulary)[:heaps]:
            mine = [i for i in self._free if self._rows.labels[i] == label]
            self._reserved += mine[:RESERVED]
            heap = mine[RESERVED : RESERVED + min(size, count - len(drawn))]
            used = {*mine[:RESERVED], *heap}
            self._free = [i for i in self._free if i not in used]
            wrong = self._nearest[str(label)]
            drawn += [(self._rows.texts[i], wrong, str(label)) for i in heap]
        return drawn

    def clean(self, count: int) -> list[Drawn]:
        """Rows as they are, the ones set aside first."""
        first = self._reserved[:count]
        rest = self._take(count - len(first))
        return [self._as_is(i) for i in (*first, *rest)]

    def uniform(self, count: int) -> list[Drawn]:
        """Rows under a random wrong label."""
        classes = len(self.vocabulary)
        place = {label: i for i, label in enumerate(self.vocabulary)}
        drawn = []
        for i in self._take(count):
            truth = self._rows.labels[i]
            shift = int(self._rng.integers(1, classes))
            drawn.append(
                (self._rows.texts[i], self.vocabulary[(place[truth] + shift) % classes], truth)
            )
        return drawn

    def _as_is(self, i: int) -> Drawn:
        return self._rows.texts[i], self._rows.labels[i], self._rows.labels[i]


def _off_topic(
    rows: Rows, taken: Collection[str], labels: Sequence[str], count: int, rng: np.random.Generator
) -> list[Drawn]:
    """Foreign texts that are not taken yet, each under a random label."""
    free = [i for i, text in enumerate(rows.texts) if text not in taken]
    chosen = [int(i) for i in rng.permutation(free)[:count]]
    return [(rows.texts[i], str(rng.choice(labels)), OFF_TOPIC) for i in chosen]


def _off_topic_bulk(
    rows: Rows, labels: Sequence[str], count: int, rng: np.random.Generator
) -> list[Drawn]:
    """Whole foreign topics, each under one random label, until the share is full."""
    drawn: list[Drawn] = []
    of_topic: dict[str, list[int]] = {}
    for i, topic in enumerate(rows.labels):
        of_topic.setdefault(topic, []).append(i)
    topics = sorted(of_topic)
    for t in rng.permutation(len(topics)):
        label = str(rng.choice(labels))
        part = of_topic[topics[t]][: count - len(drawn)]
        drawn += [(rows.texts[i], label, OFF_TOPIC) for i in part]
        if len(drawn) >= count:
            break
    return drawn


def nearest_labels(embeddings: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    """Label -> the label whose mean embedding is closest to its own.

    Args:
        embeddings: float (n, d), unit rows.
        labels: of the rows.
    """
    names = sorted(set(labels))
    place = {name: i for i, name in enumerate(names)}
    means = np.zeros((len(names), embeddings.shape[1]))
    np.add.at(means, [place[label] for label in labels], embeddings)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    cosine = means @ means.T
    np.fill_diagonal(cosine, -np.inf)
    return {name: names[int(cosine[i].argmax())] for name, i in place.items()}
