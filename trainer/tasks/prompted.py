"""What tasks of prompts and answers have in common: all but the loss and the metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from jinja2 import TemplateError
from torch import Tensor, nn

from storage.models import FeatureView
from trainer import activations
from trainer.activations import Texts
from trainer.backbone import load_backbone
from trainer.compute import Compute
from trainer.cut import ModelError
from trainer.data.samples import (
    DataError,
    Sample,
    Skipped,
    Splits,
    duplicate_groups,
    why_empty,
)
from trainer.language import (
    Answers,
    Dialogue,
    LanguageModel,
    Message,
    Reader,
    load_language_model,
)
from trainer.marks import Marks
from trainer.pairing import Topics, topics_of
from trainer.segment import FeatureOpinion, Leaning, Opinions
from trainer.selection import Selection
from trainer.signals import Hints, PoolView, places_of_first
from trainer.spec import LoraSpec, RunSpec
from trainer.tasks.base import HeadStart
from trainer.tasks.counting import Counting, weights_of
from trainer.tasks.registry import NOBODY
from trainer.together import Together

Split = Literal["dev", "test"]

TOPICS = "topics"
"""The label of features that belong to none."""
FIRST_LOOK = 4000
"""A language model overfits what is repeated: few samples are no saving, and reading them is cheap
beside training on them."""
ENCODED_TOKENS = 128
"""Of a prompt or an answer, for the vote model: what it is about is said by then."""
STEEPNESS = 6.0
"""Nats between the weight of a topic that matters most and of one that does not matter."""
NEUTRAL = 0.5
EXAMPLE_LENGTH = 160
"""Characters of a prompt that stands for its topic."""


class Prompted(Counting, ABC):
    """A `trainer.tasks.base.Learner` of prompts and answers; a task adds its loss and its metric.

    A text encoder beside the model tells how prompts and answers go together; it is loaded when an
    arm wants to know, so an arm that asks nobody does not pay for it.

    Args:
        spec: the run's.
        splits: the samples.
        model: the pretrained language model, and its tokenizer.
        compute: where and how precisely.
        folder: where what the encoder makes of the samples is kept.
        opinions: what people said; none of it changes what is read.
    """

    first_look = FIRST_LOOK
    is_covering = False
    are_features_learnt = False

    def __init__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: tuple[LanguageModel, Any],
        compute: Compute,
        folder: Path,
        opinions: Opinions = NOBODY,
    ) -> None:
        self.model, tokenizer = model
        super().__init__(self.model)
        self.model.eval()  # no dropout: cached layers could not have it, and resume is exact
        self.model.to(compute.device)
        self._spec, self._compute = spec, compute
        self._path = folder / "texts.safetensors"
        self.reader = Reader(tokenizer, min(spec.train.max_tokens, self.model.max_tokens))
        self.splits = self._readable(splits)
        class_id = {label: i for i, label in enumerate(self.splits.labels)}
        self.labels = np.array([class_id[s.label] for s in self.splits.pool], dtype=np.int64)
        self._groups = duplicate_groups(self.splits.pool)
        self._marks = Marks()
        self._kept: dict[str, Tensor] | None = None  # what the encoder made; None: not looked
        self._topics: Topics | None = None
        self._centres: dict[str, Tensor] = {}
        self._pool = self._read(self.splits.pool)
        self._together = Together(folder / "together.jsonl", len(self._pool))
        self._held: dict[Split, Answers] = {"dev": self._read(self.splits.dev)}
        if self.splits.test:
            self._held["test"] = self._read(self.splits.test)
        self.lengths = self._pool.lengths.reshape(-1, len(self.splits.pool)).sum(axis=0)

    # --- what a task says -----------------------------------------------------------------------

    @abstractmethod
    def _answers_of(self, sample: Sample) -> tuple[str, ...]:
        """The answers of a sample, in the order in which the vote model gets them."""

    @abstractmethod
    def _hints(self, prompts: np.ndarray, answers: Sequence[np.ndarray], rows: np.ndarray) -> Hints:
        """What goes with what: of unit rows (r, d) of prompts and of each kind of answer."""

    # --- what the model reads -------------------------------------------------------------------

    def _readable(self, splits: Splits) -> Splits:
        """The splits without samples whose answers are too long for the model, counted."""
        skipped = Skipped(splits.skipped.counts.copy(), dict(splits.skipped.examples))
        self._dialogues: dict[str, tuple[Dialogue, ...]] = {}
        kept = {
            name: tuple(s for s in split if self._can_read(name, s, skipped))
            for name, split in (("pool", splits.pool), ("dev", splits.dev), ("test", splits.test))
        }
        for name in ("pool", "dev"):
            if not kept[name]:
                raise DataError(
                    f"nothing of the {name} can be read{why_empty(skipped)}; raise train.max_tokens, "
                    "give shorter answers, or chats as the model's template wants them"
                )
        return replace(
            splits, pool=kept["pool"], dev=kept["dev"], test=kept["test"], skipped=skipped
        )

    def _can_read(self, split: str, sample: Sample, skipped: Skipped) -> bool:
        messages = messages_of(sample)
        try:
            read = [self.reader.read(messages, answer) for answer in sample.answers]
        except TemplateError as err:  # roles out of order, or ones that it does not know
            skipped.add(
                f"{split} chat is not one the model's template takes ({str(err)[:80]})",
                sample.shown,
            )
            return False
        whole = tuple(one for one in read if one is not None)
        if len(whole) < len(read):
            limit = self.reader.max_tokens
            skipped.add(f"{split} answer longer than {limit} tokens", sample.shown)
            return False
        self._dialogues[sample.sample_id] = whole
        return True

    def _read(self, samples: Sequence[Sample]) -> Answers:
        """The answers of some samples: all first ones, then all second ones."""
        dialogues = [self._dialogues[s.sample_id] for s in samples]
        flat = [one for many in zip(*dialogues, strict=True) for one in many]
        return Answers(self.model, flat, self._compute)

    def _log_probabilities(self, inputs: Answers, index: np.ndarray) -> Tensor:
        """Of answers in the pool by the model as it stands; what is below its cut is kept."""
        missing = inputs.missing(index)
        for company in self._together.companies(missing) if len(missing) else ():
            with self.model.untuned():
                inputs.read(company)
            self._count_forwards(inputs, company, share=1 - inputs.trained_share)
        return inputs.log_probabilities(index)

    @torch.inference_mode()
    def _held_out(self, inputs: Answers) -> Tensor:
        """What comes out for held-out answers, see `Answers`: float32 (n, 2)."""
        if inputs.hidden is None and inputs.can_cache:
            inputs.fill(self._marks, "reading held-out answers")
            self._count_evaluation(inputs, share=1 - inputs.trained_share)
        self._count_evaluation(inputs, share=inputs.trained_share)
        return inputs.all_outputs()

    # --- what the vote model knows --------------------------------------------------------------

    def prepare(self, first: np.ndarray, rows: np.ndarray, marks: Marks) -> None:
        """Remember which rows are looked at; the encoder reads them when somebody asks."""
        self._first, self._rows, self._marks = first, rows, marks

    def group(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows the place of the first that says the same: int64 (r,)."""
        return places_of_first(self._groups[rows])

    def view(self, rows: np.ndarray) -> PoolView:
        """What the vote model knows of some rows of the pool."""
        prompts, *answers = self._encoded(rows)
        return PoolView(
            embeddings=answers[0],
            labels=self.labels[rows],
            names=None,
            group=self.group(rows),
            hints=self._hints(prompts, answers, rows),
        )

    def _encoded(self, rows: np.ndarray) -> list[np.ndarray]:
        """Unit rows of the prompts, then of each kind of answer: float32 (r, d) each."""
        self._encode(np.union1d(rows, self._first))
        assert self._kept is not None
        first, place = torch.from_numpy(self._first), torch.from_numpy(rows)
        found = []
        for name, values in self._kept.items():
            if name != "known":
                centre = self._centres.setdefault(name, values[first].mean(dim=0))
                found.append(F.normalize(values[place] - centre, dim=1).numpy())
        return found

    def _encode(self, rows: np.ndarray) -> None:
        """Have the encoder read what it has not read yet of some rows."""
        pool = self.splits.pool
        if self._kept is None:
            self._kept = activations.load_if(self._path, about=self._pool.digest().hex()) or {}
        known = self._kept.get("known", torch.zeros(len(pool))).bool().numpy()
        missing = rows[~known[rows]]
        if not len(missing):
            return
        encoder, tokenizer = load_backbone(self._spec.encoder, None, LoraSpec(top_layers=1), 0)
        encoder.eval()
        encoder.to(self._compute.device)
        n_sides = len(self._answers_of(pool[0]))
        names = ("prompt", *(f"side {k}" for k in range(n_sides)))
        samples = [pool[i] for i in missing]
        columns = [[s.prompt for s in samples], *zip(*map(self._answers_of, samples), strict=True)]
        done, total = 0, len(missing) * len(names)
        before = {n: self._kept.get(n, torch.zeros(len(pool), encoder.width)) for n in names}
        for name, column in zip(names, columns, strict=True):
            self._marks.progress("reading the pool", done, total)
            texts = Texts(encoder, tokenizer, column, ENCODED_TOKENS, self._compute)
            with encoder.untuned():
                before[name][torch.from_numpy(missing)] = texts.all_outputs()
            done += len(missing)
            # in forwards of the model that is tuned: what the encoder costs depends on its size
            operations = 2 * weights_of(encoder) * int(texts.lengths.sum())
            self.flops += operations
            self.samples_scored += operations / (2 * self._parameters * self.lengths.mean())
        known[missing] = True
        # sorted names: prompts first, then the sides in order, as they come back from disk
        self._kept = dict(sorted({**before, "known": torch.from_numpy(known)}.items()))
        activations.save(self._path, self._kept, about=self._pool.digest().hex())

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Nothing that is said of a label can be compared with prompts."""
        raise ModelError(
            "a language model has no labels to describe; leave out the arm that needs them"
        )

    def opinion(self, rows: np.ndarray) -> np.ndarray | None:
        """None: the loss of an answer told less than it cost (design measurements)."""
        return None

    # --- training -------------------------------------------------------------------------------

    def trainable(self) -> dict[str, dict[str, nn.Parameter]]:
        """LoRA weights; the model's head stays as it was."""
        return {"lora": self.model.lora_parameters(), "head": {}}

    def start(self, selection: Selection) -> HeadStart | None:
        """None: the model's head knows all words already."""
        return None

    def set_out(self) -> None:
        """Nothing to go back from."""

    def misses(self) -> np.ndarray | None:
        """None: no class is learnt worse than another."""
        return None

    # --- topics ---------------------------------------------------------------------------------

    def features(
        self, selection: Selection, n_cards: int, asked: Collection[tuple[str, str]] = ()
    ) -> list[FeatureView]:
        """What the pool's prompts are about, on one card; nothing of it twice."""
        topic, topics = self._topic_of(self._rows)
        shares = np.bincount(topic, minlength=len(topics.names)) / len(topic)
        order = [
            k for k in np.argsort(-shares, kind="stable") if (TOPICS, topics.names[k]) not in asked
        ]
        if len(topics.names) < 2 or not order or n_cards < 1:
            return []
        prompts = [
            self.splits.pool[self._rows[np.flatnonzero(topic == k)[0]]].prompt for k in order[:3]
        ]
        return [
            FeatureView(
                label=TOPICS,
                features=tuple(topics.names[k] for k in order),
                shares=tuple(float(shares[k]) for k in order),
                examples=tuple(prompt[:EXAMPLE_LENGTH] for prompt in prompts),
            )
        ]

    def leanings(self, selection: Selection, opinions: Sequence[FeatureOpinion]) -> list[Leaning]:
        """None: topics are the data's own."""
        return []

    def _topic_of(self, rows: np.ndarray) -> tuple[np.ndarray, Topics]:
        """(the topic of each row, all topics); from the rows an arm began with, for ever."""
        if self._topics is None:
            texts = [self.splits.pool[i].prompt for i in self._first]
            self._topics = topics_of(self._encoded(self._first)[0], texts, self._spec.train.seed)
        return self._topics.of(self._encoded(rows)[0]), self._topics

    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """Samples of topics voted important weigh more: the votes set the mixture.

        An unvoted topic is neutral at .5; one that matters most is e^3 times as frequent, one that
        does not matter e^-3 times.
        """
        said = {o.feature: o.value for o in opinions if o.label == TOPICS}
        if not said:
            return None
        topic, topics = self._topic_of(self._rows)
        value = np.array([said.get(name, NEUTRAL) for name in topics.names])
        factor = np.ones(len(self.splits.pool))
        factor[self._rows] = np.exp(STEEPNESS * (np.maximum(value, 0.0) - NEUTRAL))[topic]
        return factor


def load(spec: RunSpec, seed: int) -> tuple[LanguageModel, Any]:
    """The language model of a spec with fresh LoRA weights, and its tokenizer.

    Raises:
        ModelError: it cannot be used.
    """
    in_4bit = spec.quantize == "4bit"
    return load_language_model(spec.model, spec.revision, spec.lora, seed, in_4bit=in_4bit)


def messages_of(sample: Sample) -> list[Message]:
    """The chat before the answer."""
    told = sample.fields.get("messages")
    if told:
        return [{"role": role, "content": content} for role, content in told]
    return [{"role": "user", "content": sample.prompt}]
