"""What the kinds of fine-tuning are measured by and ask about, for rooms that never load torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ANSWER = "answer"
"""The one label of samples that are a prompt with its answer: nothing tells them apart."""
SIDES = ("A", "B")
"""The labels of a pair: which of its two answers is the better one."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fine-tuning.

    Attributes:
        metric: what the metric, in [0, 1] and higher is better, is told people as. A perplexity is
            one over it: the mean probability of a held-out token is what is stored.
        asks: what a card is about: does a label fit, is an answer worth learning from, which of two
            answers is better?
        holds: what its samples are.
        hub: what the Hugging Face hub calls such a task.
    """

    metric: Literal["accuracy", "perplexity"]
    asks: Literal["label", "answer", "pair"]
    holds: Literal["texts", "images"]
    hub: str

    @property
    def has_names(self) -> bool:
        """Whether a label's name can be held against a sample: both are texts."""
        return self.asks == "label" and self.holds == "texts"


KINDS: Mapping[str, Kind] = {
    "text-classification": Kind("accuracy", "label", "texts", "text-classification"),
    "image-classification": Kind("accuracy", "label", "images", "image-classification"),
    "causal-lm": Kind("perplexity", "answer", "texts", "text-generation"),
    "preference": Kind("accuracy", "pair", "texts", "text-generation"),
}
"""Task of a spec -> its kind."""
