"""How well answers go with their prompts, and what the prompts are about. Pure numpy."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import kmeans2

from trainer.signals import Array, blocks

REFERENCE = 1000
"""Answers that one's own is held against, and prompts."""
SAME = 0.999
"""Cosine above which two texts are the same one."""
NEAREST_PROMPTS, NEAREST_ANSWERS = 10, 15
PER_TOPIC, MAX_TOPICS = 50, 12
NAME_WORDS = 3
_WORD = re.compile(r"[^\W\d_]{3,}")
_ENDS = re.compile(r"[\d.!?…:;\"'”’)\]}>`]\s*\Z")


def fit_signals(prompts: Array, answers: Array, reference: Array) -> Array:
    """Hints on how well each answer goes with its prompt: float (n, 8), higher mostly means better.

    Cosine; its margin over the best answer to another prompt, and minus log rank among those; the
    same the other way round, for the prompt among other prompts; how like the answers of the
    nearest prompts it is; how many answers are like it, minus (one text for everything answers
    nothing); and how like it is to the prompt's own neighbours.

    Args:
        prompts: float32 (n, d), unit rows.
        answers: float32 (n, d), unit rows, one for each prompt.
        reference: float32 (m, d), unit rows: answers in general.
    """
    n = len(prompts)
    columns = np.zeros((n, 8))
    few, asked = _some(reference), _some(prompts)
    for rows in blocks(n):
        p, a = prompts[rows], answers[rows]
        own = (p * a).sum(axis=1)
        forth = _beside(own, p @ few.T, a @ few.T)
        back = _beside(own, a @ asked.T, p @ asked.T)
        near = _nearest(p @ prompts.T, p @ prompts.T, NEAREST_PROMPTS)
        alike = np.einsum("rkd,rd->rk", answers[near], a)
        around = np.einsum("rkd,rd->rk", prompts[near], a)
        crowd = np.sort(np.where(a @ few.T > SAME, 1.0, a @ few.T), axis=1)[:, -NEAREST_ANSWERS:]
        columns[rows] = np.stack(
            [own, *forth, *back, alike.mean(1), -crowd.mean(1), around.mean(1)], axis=1
        )
    return columns


def _some(vectors: Array) -> Array:
    """At most `REFERENCE` of them, evenly spread."""
    step = max(1, math.ceil(len(vectors) / REFERENCE))
    return vectors[::step]


def _beside(own: Array, others: Array, sameness: Array) -> tuple[Array, Array]:
    """(margin of one's own over the best of the others, minus log rank among them): (r,) each."""
    rivals = np.where(sameness > SAME, -np.inf, others)
    best = rivals.max(axis=1, initial=-1.0)
    return own - best, -np.log1p((rivals > own[:, None]).sum(axis=1))


def _nearest(cosine: Array, sameness: Array, k: int) -> Array:
    """The nearest that are not the same: int64 (r, k)."""
    k = min(k, cosine.shape[1] - 1) if cosine.shape[1] > 1 else 1
    hidden = np.where(sameness > SAME, -1.0, cosine)
    return np.argpartition(-hidden, k - 1, axis=1)[:, :k]


def shape_signals(prompts: Sequence[str], answers: Sequence[str]) -> Array:
    """Hints that need no reading: float (n, 6).

    Log words of the answer and their ratio to the prompt's, whether it ends like a sentence, its
    share of letters, its share of words that stand in it once, and how usual its symbols are.
    """
    usual = _usual_symbols(answers)
    rows = []
    for prompt, answer in zip(prompts, answers, strict=True):
        words = answer.lower().split()
        length = math.log1p(len(words))
        letters = sum(c.isalpha() or c.isspace() for c in answer) / max(1, len(answer))
        rows.append(
            (
                length,
                length - math.log1p(len(prompt.split())),
                float(_ENDS.search(answer) is not None),
                letters,
                len(set(words)) / max(1, len(words)),
                min((usual[c] for c in _symbols(answer)), default=0.0),
            )
        )
    return np.array(rows, dtype=float).reshape(len(rows), 6)


def _symbols(text: str) -> set[str]:
    """Its characters that are no letters, digits or spaces."""
    return {c for c in text if not (c.isalnum() or c.isspace())}


def _usual_symbols(texts: Sequence[str]) -> dict[str, float]:
    """Symbol -> log share of the texts that hold it: 0 = all of them."""
    count = Counter(c for text in texts for c in _symbols(text))
    return {c: math.log(n / len(texts)) for c, n in count.items()}


# --- topics -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Topics:
    """What prompts are about.

    Attributes:
        names: the words that tell each from the others.
        centres: float32 (k, d).
    """

    names: tuple[str, ...]
    centres: Array

    def of(self, prompts: Array) -> Array:
        """The topic of each prompt: int64 (n,)."""
        gaps = (self.centres**2).sum(axis=1)[None, :] - 2 * prompts @ self.centres.T
        found: Array = gaps.argmin(axis=1)
        return found


def topics_of(prompts: Array, texts: Sequence[str], seed: int) -> Topics:
    """Topics of some prompts, by k-means, each called by its own words.

    Args:
        prompts: float32 (n, d), unit rows.
        texts: the prompts themselves.
        seed: of the first centres.
    """
    k = int(np.clip(len(prompts) // PER_TOPIC, 1, MAX_TOPICS))
    rng = np.random.default_rng([seed, 8])
    centres, found = kmeans2(prompts.astype(float), k, minit="++", rng=rng)
    kept = np.unique(found)  # a centre may be left alone
    by_topic = [[texts[i] for i in np.flatnonzero(found == topic).tolist()] for topic in kept]
    return Topics(_names(by_topic), centres[kept].astype(np.float32))


def _names(by_topic: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The most telling words of each topic, no two topics called alike.

    Class-based TF-IDF (Grootendorst 2022), by how many texts hold a word: one that stands in every
    topic names none.
    """
    counts = [
        Counter(w for t in texts for w in set(_WORD.findall(t.lower()))) for texts in by_topic
    ]
    everywhere: dict[str, float] = defaultdict(float)
    for count, texts in zip(counts, by_topic, strict=True):
        for w, n in count.items():
            everywhere[w] += n / len(texts)
    names: list[str] = []
    for number, (count, texts) in enumerate(zip(counts, by_topic, strict=True), 1):
        telling = {
            w: n / len(texts) * math.log(len(by_topic) * n / len(texts) / everywhere[w] + 1e-9)
            for w, n in count.items()
        }
        best = sorted(telling, key=lambda w: (-telling[w], w))[:NAME_WORDS]
        name = " ".join(best) or f"topic {number}"
        names.append(name if name not in names else f"{name} {number}")
    return tuple(names)
