"""Classification by frozen features and LoRA, whatever the samples are: all but what people see."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor, nn

from storage.models import FeatureView, SampleView
from trainer import activations
from trainer.activations import Inputs
from trainer.compute import Compute
from trainer.cut import CutModel
from trainer.data.samples import Splits, duplicate_groups
from trainer.marks import Marks
from trainer.ragged import GROUP
from trainer.segment import FeatureOpinion, Leaning
from trainer.selection import Selection
from trainer.signals import PoolView, names_speak, places_of_first
from trainer.tasks.base import HeadStart
from trainer.tasks.cosine_head import (
    MAX_FIT,
    CosineHead,
    boldest,
    class_means,
    logistic,
    logits_of,
)
from trainer.tasks.counting import Counting

ATTRIBUTED_PER_CLASS = 16
MIN_CHUNK = 400
CHUNK_PER_LABEL = 8
FEW_LABELS = 10
"""Up to so many, a card asks which label it is; beyond, whether the given one fits."""


class Classification(Counting, ABC):
    """A `trainer.tasks.base.Learner`; a task says what its samples are and how they are shown.

    Args:
        splits: the samples.
        model: the pretrained model, already where it computes.
        inputs: the samples of `pool`, `dev` and `test` as the model reads them.
        compute: where and how precisely.
        folder: where what the frozen layers make of the samples is kept.
        covered: pool and dev set as people's votes on features have them, where there are any: what
            is trained on, and what the run is steered by. A test set is never covered.
    """

    is_two_sided = thins = writes = False
    sorted_together = GROUP
    are_features_learnt = True
    exact_match: float | None = None

    def __init__(
        self,
        splits: Splits,
        model: CutModel,
        inputs: dict[Literal["pool", "dev", "test"], Inputs],
        compute: Compute,
        folder: Path,
        covered: tuple[Inputs, Inputs] | None = None,
    ) -> None:
        super().__init__(model)
        self.splits = splits
        self.first_look = max(MIN_CHUNK, CHUNK_PER_LABEL * len(splits.labels))
        # where several labels fit at once, none of them rules out the given one
        has_many = any(len(sample.labels) > 1 for sample in splits.pool)
        self.offers_labels = len(splits.labels) <= FEW_LABELS and not has_many
        self._covered = covered[0] if covered else None
        self._is_covered = np.zeros(len(splits.pool), bool)
        self._path = folder / "frozen.safetensors"
        self._model = model
        self._device = compute.device
        self.head = CosineHead(model.width, len(splits.labels)).to(compute.device)
        self._pool = inputs["pool"]
        self._held_out = {"dev": inputs["dev"], "test": inputs["test"]}
        self._seen = {**self._held_out, "dev": covered[1]} if covered else self._held_out
        class_id = {label: i for i, label in enumerate(splits.labels)}
        self.labels = np.array([class_id[s.label] for s in splits.pool], dtype=np.int64)
        self._groups = duplicate_groups(splits.pool)
        self._is_read = False
        self._name_vectors: Tensor | None = None
        self._has_names: bool | None = None  # not known yet
        self._dev_unit: Tensor | None = None  # by the untuned model, once needed
        self._known = np.zeros(len(splits.pool), bool)
        self._truth = {
            "dev": torch.tensor([class_id[s.label] for s in splits.dev], dtype=torch.int64),
            "test": torch.tensor([class_id[s.label] for s in splits.test], dtype=torch.int64),
        }
        self._n_right = {
            name: torch.tensor([len(class_id.keys() & set(s.labels)) for s in split])
            for name, split in (("dev", splits.dev), ("test", splits.test))
        }
        self.lengths = self._pool.lengths

    # --- what the frozen layers give ------------------------------------------------------------

    def prepare(self, first: np.ndarray, rows: np.ndarray, marks: Marks) -> None:
        """Embed `rows` of the pool, as far as they are not on disk."""
        if not self._is_read:
            self._marks = marks
            self._read()
        missing = rows[~self._known[rows]]
        if len(missing):
            with self._model.untuned():
                unkept = missing if self._pool.hidden is not None else rows
                for part in _apart(unkept, first):
                    self._pool.fill(marks, "reading the pool", part)
                for part in _apart(missing, first):
                    self._embeddings[torch.from_numpy(part)] = self._pool.all_outputs(part)
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
        empty = torch.zeros(len(self._pool), self._model.width)
        self._embeddings = kept.get("embeddings", empty)
        known = kept.get("known")
        self._known = np.zeros(len(self._pool), bool) if known is None else known.bool().numpy()
        for name, inputs in (("pool", self._pool), *self._held_out.items()):
            if name in kept:
                inputs.keep(kept[name])
        with self._model.untuned():
            self._name_vectors = self._read_names()

    def _read_names(self) -> Tensor | None:
        """Vectors of what the labels are called: (classes, width); None where they say nothing."""
        return None

    def _write(self) -> None:
        tensors = {"embeddings": self._embeddings, "known": torch.from_numpy(self._known)}
        for name, inputs in (("pool", self._pool), *self._held_out.items()):
            if inputs.hidden is not None:
                tensors[name] = inputs.hidden.values
        activations.save(self._path, tensors, about=self._digest())

    def _digest(self) -> str:
        """Equal for the same tokens: data that changed between two segments is computed anew."""
        sha = hashlib.sha256()
        for inputs in (self._pool, *self._held_out.values()):
            sha.update(inputs.digest())
        return sha.hexdigest()

    def group(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows the place of the first that says the same: int64 (r,)."""
        return places_of_first(self._groups[rows])

    def view(self, rows: np.ndarray) -> PoolView:
        """What the vote model knows of some embedded rows of the pool."""
        centre = self.head.centre.cpu()
        names = self._name_vectors
        pool = PoolView(
            embeddings=F.normalize(
                self._embeddings[torch.from_numpy(rows)] - centre, dim=1
            ).numpy(),
            labels=self.labels[rows],
            names=None if names is None else F.normalize(names - centre, dim=1).numpy(),
            group=self.group(rows),
        )
        if self._has_names is None:
            self._has_names = pool.names is not None and names_speak(pool, pool.names)
        return pool if self._has_names else replace(pool, names=None)

    @torch.inference_mode()
    def opinion(self, rows: np.ndarray) -> np.ndarray:
        """What the model as it stands thinks of some rows' labels: float (r, 3).

        Log-probability of the given label, its margin over the best other, entropy; nats.
        """
        logits = self.head(self._pool.all_outputs(rows).to(self._device)).cpu()
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
            "lora": self._model.lora_parameters(),
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
        names = torch.zeros_like(self.head.weight)
        if self._has_names and self._name_vectors is not None:
            names = self.head.unit(self._name_vectors.to(self._device))
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
        is_right = self._hits(logits_of(self._dev_unit, w, b), "dev")
        return HeadStart(loss, is_right.numpy())

    def set_out(self) -> None:
        """The class means alone: beside a fitted head the layers below have little left to learn."""
        self._set_head(self._means, torch.zeros_like(self.head.bias))

    def _set_head(self, weight: Tensor, bias: Tensor) -> None:
        with torch.no_grad():
            self.head.weight.copy_(weight)
            self.head.bias.copy_(bias)

    def losses(self, index: np.ndarray, selection: Selection) -> Tensor:
        """Cross entropy of each sample."""
        logits = self.head(self._seen_in_training(index, selection))
        self._count_training(int(self.lengths[index].sum()), self._pool.trained_share)
        return F.cross_entropy(
            logits, torch.from_numpy(selection.label[index]).to(self._device), reduction="none"
        )

    def _seen_in_training(self, index: np.ndarray, selection: Selection) -> Tensor:
        """Vectors of some samples without what misleads: float32 (batch, width)."""
        if self._covered is None:
            return self._pool.outputs(index)
        is_kept = self._covered.hidden is not None or self._covered.can_cache
        if is_kept and not self._is_covered[index].all():
            # all that a pass needs at once: a few samples of every batch would cost more
            self._cover(np.flatnonzero((selection.weight > 0) & ~self._is_covered))
        return self._covered.outputs(index)

    def _cover(self, rows: np.ndarray) -> None:
        """Keep what the frozen layers make of some samples without what misleads."""
        assert self._covered is not None
        with self._model.untuned():
            self._covered.fill(self._marks, "reading the pool", rows)
        self._count_forwards(self._covered, rows, share=1 - self._covered.trained_share)
        if self._covered.hidden is not None:  # memory can run short in between
            self._is_covered[rows] = True

    @property
    def is_covering(self) -> bool:
        """Whether votes on features change what is trained on, and what steers the run."""
        return self._covered is not None

    @torch.inference_mode()
    def evaluate(self, split: Literal["dev", "test"]) -> float:
        """Accuracy; where samples have several labels, R-precision.

        That is the share of labels that stand among the likeliest of their sample, as many as it has.
        """
        is_right = self._is_right(split)
        if split == "dev":
            self.dev_scores = is_right.double().numpy()
        return float(is_right.float().mean())

    @torch.inference_mode()
    def misses(self) -> np.ndarray:
        """How many dev samples of each class the model as it stands gets wrong: int64 (classes,)."""
        wrong = self._truth["dev"][~self._is_right("dev")].numpy()
        return np.bincount(wrong, minlength=len(self.splits.labels))

    def generations(self, count: int) -> list[SampleView]:
        """None: a classifier writes nothing."""
        return []

    def _is_right(self, split: Literal["dev", "test"]) -> Tensor:
        return self._hits(self.head(self._vectors_of(split)), split)

    def _hits(self, logits: Tensor, split: Literal["dev", "test"]) -> Tensor:
        """Whether each label is among the likeliest, as many as its sample has: bool (n,)."""
        logits, truth = logits.cpu(), self._truth[split]
        own = logits.gather(1, truth[:, None])
        likelier: Tensor = (logits > own).sum(dim=1)
        # of equals the first one counts, as everywhere
        likelier += ((logits == own) & (torch.arange(logits.shape[1]) < truth[:, None])).sum(dim=1)
        return likelier < self._n_right[split]

    @torch.inference_mode()
    def _vectors_of(self, split: Literal["dev", "test"]) -> Tensor:
        """Vectors of held-out samples by the model as it stands."""
        inputs = self._seen[split]
        if inputs.hidden is None and inputs.can_cache:
            inputs.fill(self._marks, f"reading {split}")
            self._count_evaluation(inputs, share=1 - inputs.trained_share)
            self._write()
        self._count_evaluation(inputs, share=inputs.trained_share)
        return inputs.all_outputs().to(self._device)

    # --- what people see ------------------------------------------------------------------------

    @abstractmethod
    def sample_view(self, index: int, label: int) -> SampleView:
        """A sample as people see it, shown with `label`."""

    def features(
        self, selection: Selection, n_cards: int, asked: Collection[tuple[str, str]] = ()
    ) -> list[FeatureView]:
        """What the least settled labels lean on most."""
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

    def leanings(self, selection: Selection, opinions: Sequence[FeatureOpinion]) -> list[Leaning]:
        """What the model as it stands leans on, of what people spoke of."""
        found = []
        for label in sorted({o.label for o in opinions} & set(self.splits.labels)):
            c = self.splits.labels.index(label)
            surest = self._surest_of(c, selection)
            if surest is not None:
                shares = self._shares(c, np.sort(surest))
                found += [
                    Leaning(**o.model_dump(), share=_mean_share(shares, o.feature))
                    for o in opinions
                    if o.label == label
                ]
        return found

    @abstractmethod
    def _shares(self, label: int, index: np.ndarray) -> Sequence[Mapping[str, float]]:
        """Per sample: feature -> its share of the attribution to a label, in [0, 1]."""

    def _surest_of(self, label: int, selection: Selection) -> np.ndarray | None:
        """The samples that speak for a label, surest first: int64 (k,); None where they are few."""
        of_class = np.flatnonzero((selection.label == label) & (selection.weight > 0))
        if len(of_class) < math.ceil(ATTRIBUTED_PER_CLASS / 4):
            return None
        order = np.argsort(-selection.keep[of_class], kind="stable")
        surest: np.ndarray = of_class[order][:ATTRIBUTED_PER_CLASS]
        return surest

    @abstractmethod
    def _feature_view(
        self, label: int, selection: Selection, known: Collection[str]
    ) -> FeatureView | None:
        """What the model leans on for a label; nothing of `known`, None where too little is there."""

    @abstractmethod
    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """Weight factor per sample from importance votes: float (n,), 1 = neutral."""


def _mean_share(shares: Sequence[Mapping[str, float]], feature: str) -> float:
    """Over samples; one that lacks the feature does not lean on it."""
    return float(np.mean([one.get(feature, 0.0) for one in shares]))


def _apart(rows: np.ndarray, first: np.ndarray) -> list[np.ndarray]:
    """Some rows, those an arm begins with by themselves.

    A batch's padding shows in the last bits: what begins with all rows must batch them as what looks
    at the others later, or training sets out from elsewhere.
    """
    parts = (np.intersect1d(rows, first), np.setdiff1d(rows, first))
    return [part for part in parts if len(part)]
