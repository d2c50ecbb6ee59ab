"""What a learner has computed so far, in forwards and in floating-point operations."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from trainer.activations import Inputs

IS_LOOKED_UP = ("embeddings", "embed_tokens", "wte", "wpe")
"""Parts of names of weights that a forward reads a row of and multiplies with nothing."""


class Counting:
    """The part of a `trainer.tasks.base.Learner` that counts.

    Args:
        model: the one that is tuned.
    """

    def __init__(self, model: nn.Module) -> None:
        self.samples_scored = self.samples_evaluated = self.flops = 0.0
        self._parameters = weights_of(model)

    def _count_forwards(self, inputs: Inputs, index: np.ndarray, share: float = 1.0) -> None:
        """Count forwards that train nothing; `share` of the layers each."""
        self.samples_scored += len(index) * share
        tokens = int(inputs.lengths[index].sum()) if len(index) else 0
        self.flops += 2 * self._parameters * share * tokens

    def _count_evaluation(self, inputs: Inputs, share: float) -> None:
        """Count forwards over held-out samples, which an arm needs for nothing but to be measured."""
        before = self.samples_scored
        self._count_forwards(inputs, np.arange(len(inputs)), share)
        self.samples_evaluated += self.samples_scored - before

    def _count_training(self, tokens: int, share: float) -> None:
        """Count a step over so many tokens through `share` of the layers.

        Forward 2 and backward to the activations 2 per weight and token; frozen weights need no
        gradient of their own (Kaplan et al. 2020, appendix B, less the weight gradient).
        """
        self.flops += 4 * self._parameters * share * tokens


def weights_of(model: nn.Module) -> int:
    """Weights that a token is multiplied with."""
    return sum(
        _count(p)
        for name, p in model.named_parameters()
        if not any(part in name for part in IS_LOOKED_UP)
    )


def _count(parameter: nn.Parameter) -> int:
    """How many numbers it stands for: in four bits two of them share a byte."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else math.prod(state.shape)
