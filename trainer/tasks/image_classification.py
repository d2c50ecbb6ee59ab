"""Image classification: an image model with LoRA under a cosine classifier."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from storage.models import FeatureView, SampleView
from trainer.activations import Inputs
from trainer.compute import Compute
from trainer.cut import ModelError
from trainer.data.images import longer_side, opened
from trainer.data.samples import Splits
from trainer.image_backbone import ImageBackbone, load_image_backbone
from trainer.pictures import GRID, Pictures, Retouched, all_cells, cell_name
from trainer.segment import FeatureOpinion, Opinions
from trainer.selection import Selection
from trainer.spec import RunSpec
from trainer.tasks.base import below
from trainer.tasks.classification import Classification
from trainer.tasks.registry import NOBODY, Task

CELLS_PER_CARD = 6
PICTURES_PER_CARD = 4
IDLE, FAVOURED = 0.15, 0.7
"""Importance below which a cell is covered, as what is seen there is beside the point; and from which
on it is favoured: what the others show is then exchanged now and then. Neutral is .5; what three people
find to matter much, or two most, lies above."""


class ImageClassification(Classification):
    """A `trainer.tasks.base.Learner`."""

    def __init__(
        self,
        spec: RunSpec,
        splits: Splits,
        model: ImageBackbone,
        compute: Compute,
        folder: Path,
        opinions: Opinions = NOBODY,
    ) -> None:
        model.eval()  # no dropout: cached layers could not have it, and resume is exact
        model.to(compute.device)
        self._folder = folder / "pictures"
        self._pictures, dev, test = (
            Pictures(model, [s.fields["image"] for s in split], compute)
            for split in (splits.pool, splits.dev, splits.test)
        )
        inputs: dict[Literal["pool", "dev", "test"], Inputs]
        inputs = {"pool": self._pictures, "dev": dev, "test": test}
        cells = {cell_name(*cell) for cell in all_cells()}
        said = [o for o in opinions.features if o.feature in cells]
        idle, favoured = below(IDLE, said), {o.feature for o in said} - below(FAVOURED, said)
        lent = cells - idle - favoured if favoured else set()
        retouched = None
        if idle or lent:
            retouched = (Retouched(self._pictures, idle, lent), Retouched(dev, idle, lent))
        super().__init__(splits, model, inputs, compute, folder, retouched)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Nothing that is said in words can be compared with pictures."""
        raise ModelError("an image model reads no texts; leave out the arm that needs them")

    def sample_view(self, index: int, label: int) -> SampleView:
        """Picture and label of a sample."""
        path = self._drawn(index)
        return SampleView(
            sample_id=self.splits.pool[index].sample_id,
            image_path=str(path),
            image_side=longer_side(path),
            label=self.splits.labels[label],
        )

    def _drawn(self, index: int) -> Path:
        """The picture as a file of our own making: what people get is never what was uploaded."""
        file = self.splits.pool[index].fields["image"]
        path = self._folder / f"{file.digest}.png"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".tmp")
            opened(file).save(unfinished, "PNG")
            unfinished.replace(path)
        return path

    def _feature_view(
        self, label: int, selection: Selection, known: Collection[str]
    ) -> FeatureView | None:
        """The cells of a grid that the model looks at most for a label."""
        surest = self._surest_of(label, selection)
        if surest is None:
            return None
        shares = self._shares(label, np.sort(surest))
        cells = [(name, float(np.mean([one[name] for one in shares]))) for name in shares[0]]
        top = sorted((c for c in cells if c[0] not in known), key=lambda c: (-c[1], c[0]))
        if not top:
            return None
        top = top[:CELLS_PER_CARD]
        return FeatureView(
            label=self.splits.labels[label],
            features=tuple(name for name, _ in top),
            shares=tuple(share for _, share in top),
            image_paths=tuple(str(self._drawn(int(i))) for i in surest[:PICTURES_PER_CARD]),
            grid=GRID,
        )

    def _shares(self, label: int, index: np.ndarray) -> list[dict[str, float]]:
        """Of the cells of a grid, by gradient times input."""
        shares = self._pictures.cell_shares(index, lambda z: self.head(z)[:, label])
        self._count_forwards(self._pictures, index, share=3.0)
        return [{cell_name(*cell): float(one[cell]) for cell in all_cells()} for one in shares]

    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """None: cells act by what is covered in training, no sample weighs more for them."""
        return None


def _load(spec: RunSpec, seed: int) -> ImageBackbone:
    return load_image_backbone(spec.model, spec.revision, spec.lora, seed)


TASK = Task(_load, ImageClassification)
