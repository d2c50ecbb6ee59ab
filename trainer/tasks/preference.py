"""Preference tuning: direct preference optimisation on pairs whose labels may be in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor

from storage.models import SampleView
from trainer.data.samples import Sample
from trainer.kinds import SIDES
from trainer.pairing import fit_signals, shape_signals
from trainer.ragged import GROUP
from trainer.selection import Selection
from trainer.signals import Hints
from trainer.tasks.prompted import Prompted, Split, load
from trainer.tasks.registry import Task


class Preference(Prompted):
    """A `trainer.tasks.base.Learner`. Class 0 is side A, class 1 side B."""

    offers_labels = is_two_sided = True
    thins = writes = False
    sorted_together = GROUP
    exact_match: float | None = None

    @cached_property
    def _reference(self) -> Tensor:
        """Log-probabilities of all answers by the untuned model, nan until one is wanted: (2 n,)."""
        return torch.full((len(self._pool),), torch.nan)

    @cached_property
    def _held_reference(self) -> dict[Split, Tensor]:
        """The same of held-out answers, by split."""
        with self.model.untuned():
            return {split: self._held_out(held)[:, 0] for split, held in self._held.items()}

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
        for company in self._together.companies(unknown) if len(unknown) else ():
            with self.model.untuned(), torch.no_grad():
                before = self._log_probabilities(self._pool, company)
            self._count_forwards(self._pool, company, share=self._pool.trained_share)
            self._reference[torch.from_numpy(company)] = before.cpu()
        ratio = found - self._reference[torch.from_numpy(both)].to(found)
        a, b = ratio.chunk(2)
        return self._spec.train.beta * (a - b)

    @torch.inference_mode()
    def evaluate(self, split: Split) -> float:
        """Share of held-out pairs whose better answer the model prefers; undecided ones count half."""
        ratio = self._held_out(self._held[split])[:, 0] - self._held_reference[split]
        a, b = ratio.double().numpy().reshape(2, -1)
        samples = self.splits.dev if split == "dev" else self.splits.test
        margin = np.where([s.label == SIDES[0] for s in samples], a - b, b - a)
        is_preferred = (margin > 0) + 0.5 * (margin == 0)
        if split == "dev":
            self.dev_scores = is_preferred
        return float(is_preferred.mean())

    def generations(self, count: int) -> list[SampleView]:
        """None: what people say of pairs tells more."""
        return []

    def sample_view(self, index: int, label: int) -> SampleView:
        """A pair; which side is filed as better goes with it, and must not be shown."""
        sample = self.splits.pool[index]
        parts = (("Prompt", sample.prompt), *zip(SIDES, sample.answers, strict=True))
        return SampleView(sample_id=sample.sample_id, parts=parts, label=self.splits.labels[label])


TASK = Task(load, Preference)
