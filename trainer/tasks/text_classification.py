"""Text classification: a text encoder with LoRA, mean-pooled, under a cosine classifier."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor

from storage.models import FeatureView, SampleView
from trainer.activations import Inputs, Texts
from trainer.attribution import WORD, token_scores, top_words, word_shares, words_of
from trainer.backbone import Backbone, load_backbone
from trainer.compute import Compute
from trainer.data.samples import Splits
from trainer.marks import Marks
from trainer.ragged import length_batches
from trainer.segment import FeatureOpinion, LabelWords, Opinions
from trainer.selection import Selection
from trainer.spec import RunSpec
from trainer.tasks.base import below
from trainer.tasks.classification import Classification
from trainer.tasks.registry import NOBODY, Task

ID_LIKE = re.compile(r"(?:label|class|category|c|l)?[ _-]?\d+\Z", re.IGNORECASE)
WORDS_PER_CARD = 8
OTHERS = 400
"""Samples of other labels whose words are compared with a label's."""
COPIED = 256
"""Texts at a time whose hidden states are copied."""
MIN_LEAN, MAX_LEAN = 0.25, 2.0


class TextClassification(Classification):
    """A `trainer.tasks.base.Learner`."""

    def __init__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: tuple[Backbone, Any],
        compute: Compute,
        folder: Path,
        opinions: Opinions = NOBODY,
    ) -> None:
        self.backbone, self._tokenizer = model
        self.backbone.eval()  # no dropout: cached layers could not have it, and resume is exact
        self.backbone.to(compute.device)
        self._max_tokens = min(spec.train.max_tokens, self.backbone.max_tokens)
        self._compute = compute
        self._texts = self._read_texts([s.text for s in splits.pool])
        held_out = [self._read_texts([s.text for s in x]) for x in (splits.dev, splits.test)]
        inputs: dict[Literal["pool", "dev", "test"], Inputs]
        inputs = {"pool": self._texts, "dev": held_out[0], "test": held_out[1]}
        words = below(0.0, opinions.features)  # said to mislead; idle words do no harm
        self._masked: Texts | None = None
        self._is_same = np.zeros(len(splits.pool), bool)
        if words:
            masked = [self._without(words, s.text) for s in splits.pool]
            self._masked = self._read_texts(masked)
            self._is_same[:] = [m == s.text for m, s in zip(masked, splits.pool, strict=True)]
            dev = self._read_texts([self._without(words, s.text) for s in splits.dev])
        covered = (self._masked, dev) if self._masked is not None else None
        super().__init__(splits, self.backbone, inputs, compute, folder, covered)
        self._names = self._read_texts([label.replace("_", " ") for label in splits.labels])
        phrases = _phrases(opinions.words, {label: i for i, label in enumerate(splits.labels)})
        self._phrases = self._read_texts([phrase for _, phrase in phrases])
        self._phrase_labels = np.array([c for c, _ in phrases], dtype=np.int64)

    def _read_texts(self, texts: Sequence[str]) -> Texts:
        return Texts(self.backbone, self._tokenizer, texts, self._max_tokens, self._compute)

    def _without(self, words: Collection[str], text: str) -> str:
        """A text with some words masked; left out where the model knows no mask."""
        mask = self._tokenizer.mask_token or ""
        return WORD.sub(lambda m: mask if m[0].lower() in words else m[0], text)

    @torch.inference_mode()
    def _cover(self, rows: np.ndarray) -> None:
        """What the frozen layers make of texts without such words is known already."""
        masked, known = self._masked, self._texts.hidden
        assert masked is not None
        same = rows[(self._is_same & self._known)[rows]] if known is not None else rows[:0]
        masked.fill(Marks(), "", same[:0])  # makes room
        if masked.hidden is not None and known is not None:
            for batch in length_batches(masked.lengths, same, COPIED):
                masked.hidden.put(batch, *known.batch(batch))
            self._is_covered[same] = True
        super()._cover(np.setdiff1d(rows, same))

    def _read_names(self) -> Tensor | None:
        """Of the labels' names, and of what people said they mean."""
        has_names = names_mean_something(self.splits.labels)
        if not has_names and not len(self._phrases):
            return None
        vectors = self._names.all_outputs()
        if len(self._phrases):
            vectors = self._with_phrases(vectors, self._phrases.all_outputs(), has_names)
        for texts in (self._names, self._phrases):
            self._count_forwards(texts, np.arange(len(texts)))
        return vectors

    def _with_phrases(self, names: Tensor, phrases: Tensor, has_names: bool) -> Tensor:
        """Label vectors as the mean of the label's name and everything people said it means."""
        total = F.normalize(names, dim=1) * float(has_names)
        total.index_add_(0, torch.from_numpy(self._phrase_labels), F.normalize(phrases, dim=1))
        is_silent = total.norm(dim=1, keepdim=True) == 0
        length = names.norm(dim=1, keepdim=True)
        return torch.where(is_silent, names, F.normalize(total, dim=1) * length)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts in no pool, on the pool's centre: float32 (m, d), unit rows."""
        held = self._read_texts(texts)
        with self.backbone.untuned():
            vectors = held.all_outputs()
        self._count_forwards(held, np.arange(len(held)))
        found: np.ndarray = F.normalize(vectors - self.head.centre.cpu(), dim=1).numpy()
        return found

    # --- what people see ------------------------------------------------------------------------

    def sample_view(self, index: int, label: int) -> SampleView:
        """Text and label of a sample."""
        sample = self.splits.pool[index]
        return SampleView(
            sample_id=sample.sample_id, text=sample.text, label=self.splits.labels[label]
        )

    def _feature_view(
        self, label: int, selection: Selection, known: Collection[str]
    ) -> FeatureView | None:
        surest = self._surest_of(label, selection)
        if surest is None:
            return None
        index = np.sort(surest)
        texts = [self.splits.pool[i].text for i in index]
        name = self.splits.labels[label]
        others = [
            i for i in np.flatnonzero((selection.label != label) & (selection.weight > 0))
            if name not in self.splits.pool[i].labels
        ]  # fmt: skip
        some = np.linspace(0, len(others) - 1, min(len(others), OTHERS)).astype(int)
        elsewhere = [set(words_of(self.splits.pool[others[k]].text)) for k in some]
        ranked = top_words(self._shares(label, index), WORDS_PER_CARD + len(known), elsewhere)
        top = [(word, share) for word, share in ranked if word not in known][:WORDS_PER_CARD]
        if not top:
            return None
        return FeatureView(
            label=self.splits.labels[label],
            features=tuple(word for word, _ in top),
            shares=tuple(share for _, share in top),
            examples=tuple(text[:160] for text in texts[:2]),
        )

    def _shares(self, label: int, index: np.ndarray) -> list[dict[str, float]]:
        """Of words, by gradient times input."""
        scores = token_scores(self._texts, index, lambda z: self.head(z)[:, label])
        self._count_forwards(self._texts, index, share=3.0)
        texts = [self.splits.pool[i].text for i in index]
        encoded = self._tokenizer(
            texts, truncation=True, max_length=self._max_tokens, return_offsets_mapping=True
        )
        return word_shares(texts, encoded["offset_mapping"], scores)

    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """Samples that contain words voted important weigh more, those with idle words less.

        An unvoted word is neutral at .5; the factor of one word lies between 2^-1.5 (misleads)
        and 2^.5 (matters most), and a sample's words multiply, up to `MAX_LEAN`.
        """
        if not opinions:
            return None
        by_label: dict[str, dict[str, float]] = {}
        for opinion in opinions:
            by_label.setdefault(opinion.label, {})[opinion.feature] = opinion.value
        factor = np.ones(len(self.splits.pool))
        for i, sample in enumerate(self.splits.pool):
            values = by_label.get(sample.label)
            if values:
                found = set(words_of(sample.text)) & values.keys()
                factor[i] = 2 ** sum(values[word] - 0.5 for word in found)
        return np.clip(factor, MIN_LEAN, MAX_LEAN)


def names_mean_something(labels: Sequence[str]) -> bool:
    """False where labels are ids such as `3` or `LABEL_3`, which say nothing about their samples."""
    return sum(ID_LIKE.match(label) is not None for label in labels) <= len(labels) / 2


def _phrases(words: Sequence[LabelWords], class_id: Mapping[str, int]) -> list[tuple[int, str]]:
    """(class id, phrase) of everything people said about labels of the task."""
    return [
        (class_id[said.label], phrase)
        for said in words
        if said.label in class_id
        for phrase in said.words
        if phrase.strip()
    ]


def _load(spec: RunSpec, seed: int) -> tuple[Backbone, Any]:
    return load_backbone(spec.model, spec.revision, spec.lora, seed)


TASK = Task(_load, TextClassification)
