"""Preference tuning: direct preference optimisation on pairs whose labels may be in doubt."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor

from storage.models import SampleView
from trainer.compute import Compute
from trainer.data.samples import Sample, Splits
from trainer.kinds import SIDES
from trainer.language import LanguageModel, load_language_model
from trainer.pairing import fit_signals, shape_signals
from trainer.segment import Opinions
from trainer.selection import Selection
from trainer.signals import Hints
from trainer.spec import RunSpec
from trainer.tasks.prompted import Prompted, Split
from trainer.tasks.registry import NOBODY, Task


class Preference(Prompted):
    """A `trainer.tasks.base.Learner`. Class 0 is side A, class 1 side B."""

    offers_labels = is_two_sided = True
    thins = writes = False
    exact_match: float | None = None

    def __init__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: tuple[LanguageModel, Any],
        compute: Compute,
        folder: Path,
        opinions: Opinions = NOBODY,
    ) -> None:
        super().__init__(spec, splits, model, compute, folder, opinions)
        self._beta = spec.train.beta
        self._pool = self._read(self.splits.pool)
        self._held = {"dev": self._read(self.splits.dev)}
        if self.splits.test:
            self._held["test"] = self._read(self.splits.test)
        self._truth = {
            "dev": np.array([s.label == SIDES[0] for s in self.splits.dev]),
            "test": np.array([s.label == SIDES[0] for s in self.splits.test]),
        }
        self._reference = torch.full((len(self._pool),), torch.nan)
        self._held_reference: dict[str, Tensor] = {}
        n = len(self.splits.pool)
        self.lengths = self._pool.lengths[:n] + self._pool.lengths[n:]

    def _digest(self) -> str:
        return hashlib.sha256(self._pool.digest()).hexdigest()

    def _answers_of(self, sample: Sample) -> tuple[str, ...]:
        """The one that is filed as better, then the other."""
        a, b = sample.answers
        return (a, b) if sample.label == SIDES[0] else (b, a)

    def _hints(self, prompts: np.ndarray, answers: Sequence[np.ndarray], rows: np.ndarray) -> Hints:
        """What speaks for the answer that is filed as better, less what speaks for the other."""
        samples = [self.splits.pool[i] for i in rows]
        asked = [s.prompt for s in samples]
        reference = np.concatenate(answers)
        sides = [
            np.concatenate([fit_signals(prompts, found, reference), shape_signals(asked, texts)], 1)
            for found, texts in zip(
                answers, zip(*map(self._answers_of, samples), strict=True), strict=True
            )
        ]
        better = sides[0] - sides[1]
        # not centred: which way a difference points is what it says
        spread = np.sqrt((better**2).mean(axis=0))
        return Hints(
            signals=better / np.where(spread > 1e-9, spread, 1.0),
            filed=answers[1],
            prior=np.ones(len(rows)),  # what a pair is filed as is right more often than not
        )

    def losses(self, index: np.ndarray, selection: Selection) -> Tensor:
        """DPO (Rafailov et al. 2023, eq. 7) with the probability that the label is right as target.

        -q log s(m) - (1 - q) log s(-m), with m the scaled margin of the labelled side and q how sure
        the selection is of the label; q = 1 is plain DPO, one q for all its conservative form.
        """
        margin = self._margins(index)
        sign = torch.from_numpy(np.where(selection.label[index] == 0, 1.0, -1.0)).to(margin)
        sure = torch.from_numpy(selection.keep[index]).to(margin)
        self._count_training(int(self.lengths[index].sum()), self._pool.trained_share)
        towards = F.logsigmoid(sign * margin)
        away = F.logsigmoid(-sign * margin)
        return -sure * towards - (1 - sure) * away

    def _margins(self, index: np.ndarray) -> Tensor:
        """How much more than the reference model the model prefers A to B: float32 (batch,)."""
        both = np.concatenate([index, index + len(self.splits.pool)])
        found = self._log_probabilities(self._pool, both)
        unknown = both[torch.isnan(self._reference[torch.from_numpy(both)]).numpy()]
        if len(unknown):
            with self.model.untuned(), torch.no_grad():
                before = self._log_probabilities(self._pool, unknown)
            self._count_forwards(self._pool, unknown, share=self._pool.trained_share)
            self._reference[torch.from_numpy(unknown)] = before.cpu()
        ratio = found - self._reference[torch.from_numpy(both)].to(found)
        a, b = ratio.chunk(2)
        return self._beta * (a - b)

    @torch.inference_mode()
    def evaluate(self, split: Split) -> float:
        """Share of held-out pairs whose better answer the model prefers; undecided ones count half."""
        inputs = self._held[split]
        if split not in self._held_reference:
            with self.model.untuned():
                self._held_reference[split] = self._held_out(inputs)[:, 0]
        a, b = (
            (self._held_out(inputs)[:, 0] - self._held_reference[split])
            .double()
            .numpy()
            .reshape(2, -1)
        )
        margin = np.where(self._truth[split], a - b, b - a)
        return float((margin > 0).mean() + 0.5 * (margin == 0).mean())

    def generations(self, count: int) -> list[SampleView]:
        """None: what people say of pairs tells more."""
        return []

    def sample_view(self, index: int, label: int) -> SampleView:
        """A pair; which side is filed as better goes with it, and must not be shown."""
        sample = self.splits.pool[index]
        parts = (("Prompt", sample.prompt), *zip(SIDES, sample.answers, strict=True))
        return SampleView(sample_id=sample.sample_id, parts=parts, label=self.splits.labels[label])


def _load(spec: RunSpec, seed: int) -> tuple[LanguageModel, Any]:
    in_4bit = spec.quantize == "4bit"
    return load_language_model(spec.model, spec.revision, spec.lora, seed, in_4bit=in_4bit)


TASK = Task(_load, Preference)
