"""Which words the model leans on: gradient x input, word by word, class by class.

Shrikumar et al. 2017 (1704.02685); read at the embedded tokens, where words have not yet mixed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainer.activations import Texts
from trainer.ragged import length_batches

WORD = re.compile(r"[^\W_]+(?:['_-][^\W_]+)*")
MIN_WORD = 3
MIN_SAMPLES = 3


def words_of(text: str) -> list[str]:
    """The words of a text, lower case, in order; shorter ones than three letters left out."""
    return [w for w in WORD.findall(text.lower()) if len(w) >= MIN_WORD and not w.isdigit()]


def token_scores(
    texts: Texts, index: np.ndarray, score: Callable[[Tensor], Tensor]
) -> list[np.ndarray]:
    """Positive part of gradient x input per token of each sample in `index`.

    Args:
        texts: the samples, with the model as it stands.
        index: which samples.
        score: pooled vectors (batch, width) -> the scalar per sample that is explained.
    """
    found: dict[int, np.ndarray] = {}
    backbone = texts.backbone
    for batch in length_batches(texts.lengths, index, 16):
        ids, mask = texts.tokens(batch)
        caught: list[Tensor] = []

        def catch(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            hidden = (args[0] if args else kwargs["hidden_states"]).detach().requires_grad_()
            caught.append(hidden)  # noqa: B023 -- the hook lives for this one forward only
            return (
                ((hidden, *args[1:]), kwargs)
                if args
                else (args, {**kwargs, "hidden_states": hidden})
            )

        hook = backbone.first_layer().register_forward_pre_hook(catch, with_kwargs=True)
        try:
            with texts.compute.autocast():
                pooled = backbone.pool(backbone(ids, mask), mask)
        finally:
            hook.remove()
        (gradient,) = torch.autograd.grad(score(pooled).sum(), caught[0])
        share = (gradient * caught[0]).sum(dim=-1).clamp(min=0).detach().cpu()
        for row, i in enumerate(batch):
            found[int(i)] = share[row, mask[row].cpu()].numpy()
    return [found[int(i)] for i in index]


def word_shares(
    texts: Sequence[str], offsets: Sequence[Sequence[tuple[int, int]]], scores: Sequence[np.ndarray]
) -> list[dict[str, float]]:
    """Per sample: word -> its share of the sample's attribution, in [0, 1].

    Args:
        texts: the samples.
        offsets: per sample the (start, end) in the text of every token; (0, 0) = special.
        scores: per sample the attribution of every token.
    """
    result = []
    for text, spans, score in zip(texts, offsets, scores, strict=True):
        total = float(score.sum()) or 1.0
        shares: dict[str, float] = defaultdict(float)
        for match in WORD.finditer(text):
            word = match[0].lower()
            if len(word) < MIN_WORD or word.isdigit():
                continue
            inside = [
                s
                for (a, b), s in zip(spans, score, strict=True)
                if a < match.end() and b > match.start()
            ]
            shares[word] += float(sum(inside)) / total
        result.append(dict(shares))
    return result


def top_words(
    shares: Sequence[dict[str, float]], n: int, elsewhere: Sequence[Collection[str]] = ()
) -> list[tuple[str, float]]:
    """The words that people should judge: (word, its mean share over the samples of one class).

    Of at least three samples. Those come first that the model leans on *and* that tell the class: a
    share counts by how likely a sample with the word is of the class, were half of all of it. So words
    that stand everywhere count half of those that stand nowhere else.

    Args:
        shares: per sample of the class, word -> its share of the attribution.
        n: words at most.
        elsewhere: the words of each of some samples of other classes.
    """
    total: dict[str, float] = defaultdict(float)
    seen = Counter(word for sample in shares for word in sample)
    for sample in shares:
        for word, share in sample.items():
            total[word] += share
    apart = Counter(word for words in elsewhere for word in words)
    mean = {w: t / len(shares) for w, t in total.items() if seen[w] >= MIN_SAMPLES}

    def telling(word: str) -> float:
        here, there = seen[word] / len(shares), apart[word] / max(1, len(elsewhere))
        return mean[word] * here / (here + there)

    return [(word, mean[word]) for word in sorted(mean, key=lambda w: (-telling(w), w))[:n]]
