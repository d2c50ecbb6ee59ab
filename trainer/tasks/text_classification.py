"""Text classification: a text encoder with LoRA, mean-pooled, under a cosine classifier."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor, nn

from storage.models import FeatureView, SampleView
from trainer import activations
from trainer.activations import Texts
from trainer.attribution import token_scores, top_words, word_shares, words_of
from trainer.backbone import Backbone
from trainer.compute import Compute
from trainer.data.samples import Splits, duplicate_groups
from trainer.marks import Marks
from trainer.segment import FeatureOpinion, LabelWords
from trainer.selection import Selection
from trainer.signals import PoolView, names_speak
from trainer.spec import RunSpec
from trainer.tasks.base import HeadStart
from trainer.tasks.cosine_head import (
    MAX_FIT,
    CosineHead,
    boldest,
    class_means,
    logistic,
    logits_of,
)

ID_LIKE = re.compile(r"(?:label|class|category|c|l)?[ _-]?\d+\Z", re.IGNORECASE)
ATTRIBUTED_PER_CLASS = 16
WORDS_PER_CARD = 8


class TextClassification:
    """A `trainer.tasks.base.Learner`."""

    def __init__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: tuple[Backbone, Any],
        compute: Compute,
        folder: Path,
        words: Sequence[LabelWords] = (),
    ) -> None:
        self.splits = splits
        self._path = folder / "frozen.safetensors"
        self.backbone, self._tokenizer = model
        self.backbone.eval()  # no dropout: cached layers could not have it, and resume is exact
        self.backbone.to(compute.device)
        self.head = CosineHead(self.backbone.width, len(splits.labels)).to(compute.device)
        self._device = compute.device
        self._max_tokens = min(spec.train.max_tokens, self.backbone.max_tokens)

        def texts(samples: Sequence[str]) -> Texts:
            return Texts(self.backbone, self._tokenizer, samples, self._max_tokens, compute)

        self._pool = texts([s.text for s in splits.pool])
        self._held_out = {
            "dev": texts([s.text for s in splits.dev]),
            "test": texts([s.text for s in splits.test]),
        }
        class_id = {label: i for i, label in enumerate(splits.labels)}
        self._names = texts([label.replace("_", " ") for label in splits.labels])
        phrases = _phrases(words, class_id)
        self._phrases = texts([phrase for _, phrase in phrases])
        self._phrase_labels = np.array([c for c, _ in phrases], dtype=np.int64)
        self.labels = np.array([class_id[s.label] for s in splits.pool], dtype=np.int64)
        self._groups = duplicate_groups(splits.pool)
        self._is_read = False
        self._has_names: bool | None = None  # not known yet
        self._dev_unit: Tensor | None = None  # by the untuned model, once needed
        self._known = np.zeros(len(splits.pool), bool)
        self._truth = {
            "dev": torch.tensor([class_id[s.label] for s in splits.dev]),
            "test": torch.tensor([class_id[s.label] for s in splits.test]),
        }
        self.lengths = self._pool.ids.lengths
        self.samples_scored = self.samples_evaluated = 0.0
        self.flops = 0.0
        self._parameters = sum(
            p.numel()
            for name, p in self.backbone.named_parameters()
            if "embeddings" not in name and "embed_tokens" not in name
        )

    # --- what the frozen layers give ------------------------------------------------------------

    def prepare(self, first: np.ndarray, rows: np.ndarray, marks: Marks) -> None:
        """Embed `rows` of the pool, as far as they are not on disk."""
        if not self._is_read:
            self._marks = marks
            self._read()
        missing = rows[~self._known[rows]]
        if len(missing):
            with self.backbone.untuned():
                unkept = missing if self._pool.hidden is not None else rows
                self._pool.fill(marks, "reading the pool", unkept)
                self._embeddings[torch.from_numpy(missing)] = self._pool.all_vectors(missing)
            self._known[missing] = True
            self._count_forwards(self._pool, missing)
            self._write()
        if not self.head.is_centred:
            # of the first rows for ever: whatever is embedded later, the head means the same
            self.head.centre.copy_(self._embeddings[torch.from_numpy(first)].mean(dim=0))
            self.head.is_centred = True
            self.view(first)  # finds out whether label names mean anything

    def _read(self) -> None:
        self._is_read = True
        kept = activations.load_if(self._path, about=self._digest()) or {}
        width = self.backbone.width
        self._embeddings = kept.get("embeddings", torch.zeros(len(self._pool), width))
        known = kept.get("known")
        self._known = np.zeros(len(self._pool), bool) if known is None else known.bool().numpy()
        for name, texts in (("pool", self._pool), *self._held_out.items()):
            if name in kept:
                texts.hidden = texts.ids.empty_like(0, kept[name].dtype)
                texts.hidden.values = kept[name]
        with self.backbone.untuned():
            self._name_vectors = self._names.all_vectors()
            if len(self._phrases):
                self._name_vectors = self._with_phrases(self._phrases.all_vectors())
        for texts in (self._names, self._phrases):
            self._count_forwards(texts, np.arange(len(texts)))

    def _with_phrases(self, vectors: Tensor) -> Tensor:
        """Label vectors as the mean of the label's name and everything people said it means."""
        has_names = names_mean_something(self.splits.labels)
        total = F.normalize(self._name_vectors, dim=1) * float(has_names)
        total.index_add_(0, torch.from_numpy(self._phrase_labels), F.normalize(vectors, dim=1))
        is_silent = total.norm(dim=1, keepdim=True) == 0
        length = self._name_vectors.norm(dim=1, keepdim=True)
        return torch.where(is_silent, self._name_vectors, F.normalize(total, dim=1) * length)

    def _write(self) -> None:
        tensors = {"embeddings": self._embeddings, "known": torch.from_numpy(self._known)}
        for name, texts in (("pool", self._pool), *self._held_out.items()):
            if texts.hidden is not None:
                tensors[name] = texts.hidden.values
        activations.save(self._path, tensors, about=self._digest())

    def _digest(self) -> str:
        """Equal for the same tokens: data that changed between two segments is computed anew."""
        sha = hashlib.sha256()
        for texts in (self._pool, *self._held_out.values()):
            sha.update(texts.ids.values.numpy().tobytes() + texts.ids.offsets.numpy().tobytes())
        return sha.hexdigest()

    def view(self, rows: np.ndarray) -> PoolView:
        """What the vote model knows of some embedded rows of the pool."""
        chosen = self._embeddings[torch.from_numpy(rows)]
        centre = self.head.centre.cpu()
        _, first, group = np.unique(self._groups[rows], return_index=True, return_inverse=True)
        pool = PoolView(
            embeddings=F.normalize(chosen - centre, dim=1).numpy(),
            labels=self.labels[rows],
            names=F.normalize(self._name_vectors - centre, dim=1).numpy(),
            group=first[group],
        )
        assert pool.names is not None
        if self._has_names is None:
            is_told = names_mean_something(self.splits.labels) or len(self._phrases) > 0
            self._has_names = is_told and names_speak(pool, pool.names)
        return pool if self._has_names else replace(pool, names=None)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Vectors of texts in no pool, on the pool's centre: float32 (m, d), unit rows."""
        held = Texts(self.backbone, self._tokenizer, texts, self._max_tokens, self._pool.compute)
        with self.backbone.untuned():
            vectors = held.all_vectors()
        self._count_forwards(held, np.arange(len(held)))
        found: np.ndarray = F.normalize(vectors - self.head.centre.cpu(), dim=1).numpy()
        return found

    @torch.inference_mode()
    def opinion(self, rows: np.ndarray) -> np.ndarray:
        """What the model as it stands thinks of some rows' labels: float (r, 3).

        Log-probability of the given label, its margin over the best other, entropy; nats.
        """
        logits = self.head(self._pool.all_vectors(rows).to(self._device)).cpu()
        self._count_forwards(self._pool, rows, share=self._pool.trained_share)
        log_p = F.log_softmax(logits, dim=1)
        own = log_p.gather(1, torch.from_numpy(self.labels[rows])[:, None])
        others = log_p.scatter(1, torch.from_numpy(self.labels[rows])[:, None], -torch.inf)
        margin = own[:, 0] - others.max(dim=1).values
        entropy = -(log_p.exp() * log_p).sum(dim=1)
        found: np.ndarray = torch.stack([own[:, 0], margin, entropy], dim=1).double().numpy()
        return found

    # --- training -------------------------------------------------------------------------------

    def trainable(self) -> dict[str, dict[str, nn.Parameter]]:
        """LoRA weights and the classifier."""
        return {
            "lora": self.backbone.lora_parameters(),
            "head": dict(self.head.named_parameters()),
        }

    def start(self, selection: Selection) -> HeadStart:
        """Class directions from the selected samples' mean and a share of the label's name.

        A logistic regression from there on, where the dev set says it is the better head.
        """
        rows = torch.from_numpy(np.flatnonzero(selection.weight > 0))
        unit = self.head.unit(self._embeddings[rows].to(self._device))
        sure = selection.weight * selection.keep
        weight = torch.from_numpy(sure).float()[rows].to(self._device)
        labels = torch.from_numpy(selection.label)[rows].to(self._device)
        names = self.head.unit(self._name_vectors.to(self._device)) * float(bool(self._has_names))
        means = class_means(unit, labels, weight, names)
        heads = [(means, torch.zeros_like(self.head.bias))]
        if len(unit) * means.numel() <= MAX_FIT:
            heads.append(logistic(unit, labels, weight, means))
        if self._dev_unit is None:
            self._dev_unit = self.head.unit(self._vectors_of("dev"))
        truth = self._truth["dev"].to(self._device)
        scored = [boldest(logits_of(self._dev_unit, *head), truth) for head in heads]
        (loss, factor), (w, b) = min(zip(scored, heads, strict=True), key=lambda pair: pair[0])
        self._means = means
        self._set_head(factor * w, factor * b)
        is_right = logits_of(self._dev_unit, w, b).argmax(dim=1) == truth
        return HeadStart(loss, is_right.cpu().numpy())

    def set_out(self) -> None:
        """The class means alone: beside a fitted head the layers below have little left to learn."""
        self._set_head(self._means, torch.zeros_like(self.head.bias))

    def _set_head(self, weight: Tensor, bias: Tensor) -> None:
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)

    def losses(self, index: np.ndarray, labels: np.ndarray) -> Tensor:
        """Cross entropy of each sample."""
        logits = self.head(self._pool.vectors(index))
        tokens = int(self.lengths[index].sum())
        # forward 2 and backward to the activations 2 per weight and token; frozen weights need no
        # gradient of their own (Kaplan et al. 2020, appendix B, less the weight gradient)
        self.flops += 4 * self._parameters * self._pool.trained_share * tokens
        return F.cross_entropy(
            logits, torch.from_numpy(labels[index]).to(self._device), reduction="none"
        )

    @torch.inference_mode()
    def evaluate(self, split: Literal["dev", "test"]) -> float:
        """Accuracy."""
        return float(self._is_right(split).float().mean())

    @torch.inference_mode()
    def misses(self) -> np.ndarray:
        """How many dev samples of each class the model as it stands gets wrong: int64 (classes,)."""
        wrong = self._truth["dev"][~self._is_right("dev")].numpy()
        return np.bincount(wrong, minlength=len(self.splits.labels))

    def _is_right(self, split: Literal["dev", "test"]) -> Tensor:
        guess: Tensor = self.head(self._vectors_of(split)).argmax(dim=1).cpu()
        return guess == self._truth[split]

    @torch.inference_mode()
    def _vectors_of(self, split: Literal["dev", "test"]) -> Tensor:
        """Vectors of held-out texts by the model as it stands."""
        texts = self._held_out[split]
        if texts.hidden is None and texts.can_cache:
            texts.fill(self._marks, f"reading {split}")
            self._count_evaluation(texts, share=1 - texts.trained_share)
            self._write()
        self._count_evaluation(texts, share=texts.trained_share)
        return texts.all_vectors().to(self._device)

    def _count_forwards(self, texts: Texts, index: np.ndarray, share: float = 1.0) -> None:
        """Count forwards that train nothing; `share` of the layers each."""
        self.samples_scored += len(index) * share
        tokens = int(texts.ids.lengths[index].sum()) if len(index) else 0
        self.flops += 2 * self._parameters * share * tokens

    def _count_evaluation(self, texts: Texts, share: float) -> None:
        """Count forwards over held-out texts, which an arm needs for nothing but to be measured."""
        before = self.samples_scored
        self._count_forwards(texts, np.arange(len(texts)), share)
        self.samples_evaluated += self.samples_scored - before

    # --- what people see ------------------------------------------------------------------------

    def sample_view(self, index: int, label: int) -> SampleView:
        """Text and label of a sample."""
        sample = self.splits.pool[index]
        return SampleView(
            sample_id=sample.sample_id, text=sample.text, label=self.splits.labels[label]
        )

    def features(
        self, selection: Selection, n_cards: int, asked: Collection[tuple[str, str]] = ()
    ) -> list[FeatureView]:
        """The words each of the least settled labels leans on most."""
        open_share = np.array(
            [
                np.mean(np.abs(selection.keep[self.labels == c] - 0.5) < 0.3)
                if (self.labels == c).any()
                else 0.0
                for c in range(len(self.splits.labels))
            ]
        )
        cards = []
        for label in np.argsort(-open_share, kind="stable")[:n_cards]:
            known = {word for name, word in asked if name == self.splits.labels[label]}
            view = self._feature_view(int(label), selection, known)
            if view is not None:
                cards.append(view)
        return cards

    def _feature_view(
        self, label: int, selection: Selection, known: Collection[str]
    ) -> FeatureView | None:
        of_class = np.flatnonzero((selection.label == label) & (selection.weight > 0))
        index = of_class[np.argsort(-selection.keep[of_class], kind="stable")]
        index = np.sort(index[:ATTRIBUTED_PER_CLASS])
        if len(index) < math.ceil(ATTRIBUTED_PER_CLASS / 4):
            return None
        scores = token_scores(self._pool, index, lambda z: self.head(z)[:, label])
        self._count_forwards(self._pool, index, share=3.0)
        texts = [self.splits.pool[i].text for i in index]
        encoded = self._tokenizer(
            texts, truncation=True, max_length=self._max_tokens, return_offsets_mapping=True
        )
        shares = word_shares(texts, encoded["offset_mapping"], scores)
        ranked = top_words(shares, WORDS_PER_CARD + len(known))
        top = [(word, share) for word, share in ranked if word not in known][:WORDS_PER_CARD]
        if not top:
            return None
        return FeatureView(
            label=self.splits.labels[label],
            features=tuple(word for word, _ in top),
            shares=tuple(share for _, share in top),
            examples=tuple(text[:160] for text in texts[:2]),
        )

    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """Samples that contain words voted important weigh more, those with idle words less.

        An unvoted word is neutral at .5; the factor of one word lies between 2^-1.5 (misleads)
        and 2^.5 (matters most), and a sample's words multiply.
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
        return factor


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
