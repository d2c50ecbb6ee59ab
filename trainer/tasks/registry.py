"""The kinds of fine-tuning: a new one is a file beside this one, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from trainer.compute import Compute
from trainer.data.samples import Splits
from trainer.segment import Opinions
from trainer.spec import RunSpec
from trainer.tasks.base import Learner

MODULES: Mapping[str, str] = {
    "text-classification": "trainer.tasks.text_classification",
    "image-classification": "trainer.tasks.image_classification",
    "causal-lm": "trainer.tasks.causal_lm",
    "preference": "trainer.tasks.preference",
}
"""Task -> the module that has it as `TASK`; imported only where it is wanted."""

NOBODY = Opinions()


class MakesLearner(Protocol):
    """A learner from its parts."""

    def __call__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: Any,
        compute: Compute,
        folder: Path,
        opinions: Opinions = NOBODY,
    ) -> Learner:
        """The data of a run under its model, as `load` gave it, and what people said of both."""


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of fine-tuning.

    Attributes:
        load: (spec, seed) -> the pretrained model with fresh LoRA weights; raises `ModelError`.
        learner: makes the learner.
    """

    load: Callable[[RunSpec, int], Any]
    learner: MakesLearner


def task_of(spec: RunSpec) -> Task:
    """What a spec fine-tunes."""
    return cast(Task, import_module(MODULES[spec.task]).TASK)
