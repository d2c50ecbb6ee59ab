"""Supervised fine-tuning of a causal language model: the loss is on answers alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from storage.models import SampleView
from trainer.data.samples import Sample
from trainer.pairing import fit_signals, shape_signals
from trainer.selection import Selection
from trainer.signals import Hints, prior_of, standardised
from trainer.tasks.prompted import Prompted, Split, load, messages_of
from trainer.tasks.registry import Task

MIN_WRITTEN, MAX_WRITTEN = 32, 160
"""Tokens of an answer that people are shown."""


class CausalLM(Prompted):
    """A `trainer.tasks.base.Learner`."""

    offers_labels = is_two_sided = False
    thins = writes = True
    sorted_together = 2
    """Answers of one length are often of one kind (refusals): on GSM8K with 60 % dirt, 131 steps, groups
    of 8 ended .04 nats behind groups of 2, which end where no sorting does."""
    exact_match: float | None = None

    def _answers_of(self, sample: Sample) -> tuple[str, ...]:
        return sample.answers

    def _hints(self, prompts: np.ndarray, answers: Sequence[np.ndarray], rows: np.ndarray) -> Hints:
        samples = [self.splits.pool[i] for i in rows]
        fit = fit_signals(prompts, answers[0], answers[0])
        shape = shape_signals([s.prompt for s in samples], [s.answers[0] for s in samples])
        return Hints(
            signals=standardised(np.concatenate([fit, shape], axis=1)),
            filed=prompts,
            prior=prior_of(fit[:, 0]),
        )

    def losses(self, index: np.ndarray, selection: Selection) -> Tensor:
        """Cross entropy of each answer, over the mean answer's tokens: a token weighs as any other."""
        tokens = self._pool.answer_tokens[index]
        found = -self._log_probabilities(self._pool, index)
        self._count_training(int(self.lengths[index].sum()), self._pool.trained_share)
        return found / float(tokens.mean())

    def evaluate(self, split: Split) -> float:
        """Mean probability of a token of the held-out answers: one over their perplexity.

        `exact_match` is then the share of them that greedy decoding would write, word for word.
        """
        inputs = self._held[split]
        log_p, is_exact = self._held_out(inputs).double().T
        self.exact_match = float(is_exact.mean())
        if split == "dev":
            self.dev_scores = log_p.numpy()
        nats = -float(log_p.sum())
        return math.exp(-nats / int(inputs.answer_tokens.sum()))

    def generations(self, count: int) -> list[SampleView]:
        """What the model as it stands answers to some dev prompts, the same ones each time."""
        dev = self.splits.dev
        order = np.random.default_rng([self._spec.train.seed, 9]).permutation(len(dev))[:count]
        usual = int(2 * np.median(self._held["dev"].answer_tokens))
        limit = min(max(usual, MIN_WRITTEN), MAX_WRITTEN)
        found = []
        for i in order:
            prompt = self.reader.prompt(messages_of(dev[i]))[-self.reader.max_tokens :]
            ids = torch.tensor(prompt, device=self._compute.device)
            written = self.model.write(ids, limit=limit, end=self.reader.end)
            tokens = len(prompt) + len(written)
            self.flops += 2 * self._parameters * tokens
            self.samples_scored += tokens / float(self.lengths.mean())
            self.samples_evaluated += tokens / float(self.lengths.mean())
            parts = (("Prompt", dev[i].prompt), ("Model's answer", self.reader.text(written)))
            found.append(SampleView(sample_id=dev[i].sample_id, parts=parts))
        return found

    def sample_view(self, index: int, label: int) -> SampleView:
        """Prompt and answer of a sample."""
        sample = self.splits.pool[index]
        parts = (("Prompt", sample.prompt), ("Answer", sample.answers[0]))
        return SampleView(sample_id=sample.sample_id, parts=parts)


TASK = Task(load, CausalLM)
