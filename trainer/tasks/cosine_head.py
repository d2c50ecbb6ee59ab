"""A classifier over unit vectors, and its head start: good before the first gradient step."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor, nn

SCALE = 8.0
NAME_WEIGHT = 0.3
"""How many samples a label's name counts for in the class mean."""
PULL = 1.0
"""Strength of the pull towards the class means, in samples."""
FIT_STEPS = 30
MAX_FIT = 2_000_000_000
"""Samples times width times classes up to which the head is fitted; seconds of one core."""
BOLDNESS = (1.0, 2.0, 4.0)


class CosineHead(nn.Module):
    """`logits = 8 (W unit(z - centre) + b)`: classes are directions, so class means start it well.

    The centre is the pool's mean vector: embeddings of an untuned encoder all point one way.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.centre: Tensor
        self.is_centred = False
        self.register_buffer("centre", torch.zeros(width))

    def unit(self, vectors: Tensor) -> Tensor:
        """Centred vectors of length 1."""
        return F.normalize(vectors - self.centre, dim=1)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits: (batch, classes)."""
        return logits_of(self.unit(vectors), self.weight, self.bias)


def logits_of(unit: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Logits of unit vectors: (n, classes)."""
    return SCALE * (unit @ weight.T + bias)


def class_means(unit: Tensor, labels: Tensor, weight: Tensor, names: Tensor) -> Tensor:
    """Unit directions of the classes, from weighted samples and the labels' names: (classes, d).

    Args:
        unit: float32 (n, d), unit rows.
        labels: int64 (n,), class ids.
        weight: float32 (n,), how much each sample counts.
        names: float32 (classes, d), unit rows; zeros where names mean nothing.
    """
    total = NAME_WEIGHT * names
    total.index_add_(0, labels, unit * weight[:, None])
    return F.normalize(total, dim=1)


def logistic(unit: Tensor, labels: Tensor, weight: Tensor, means: Tensor) -> tuple[Tensor, Tensor]:
    """(weight (classes, d), bias (classes,)) of a logistic regression drawn to the class means.

    The pull is what a few samples per class need: without it, or drawn to zero, such a fit falls
    behind the class means themselves. L-BFGS, since the problem is convex and small.

    Args:
        unit: float32 (n, d), unit rows.
        labels: int64 (n,), class ids.
        weight: float32 (n,), how much each sample counts.
        means: float32 (classes, d), where it starts and what it is drawn to.
    """
    w = means.clone().requires_grad_(True)
    b = torch.zeros(len(means), device=means.device, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [w, b], max_iter=FIT_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )
    share = weight / weight.sum()

    def loss() -> Tensor:
        optimizer.zero_grad()
        losses = F.cross_entropy(logits_of(unit, w, b), labels, reduction="none")
        total = (losses * share).sum() + PULL * ((w - means) ** 2).sum() / len(unit)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return w.detach(), b.detach()


def boldest(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """(loss, factor) of the factor on the logits that serves them best; loss in nats.

    Class means are timid and fits are bold: compared as they stand, boldness would decide.

    Args:
        logits: float32 (n, classes), of held-out samples.
        labels: int64 (n,), their class ids.
    """
    return min((float(F.cross_entropy(f * logits, labels)), f) for f in BOLDNESS)
