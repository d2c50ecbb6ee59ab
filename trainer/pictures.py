"""Pictures as a model reads them, and where on a picture it looks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence

import numpy as np
import psutil
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor

from trainer.activations import MAX_SHARE_OF_MEMORY, Inputs
from trainer.compute import Compute
from trainer.data.images import ImageFile, opened
from trainer.image_backbone import ImageBackbone

GRID = 4
"""Cells per side of the grid that importance votes name."""
COLUMNS = "ABCD"


class Pictures(Inputs):
    """Pictures, decoded when they are wanted, and kept while memory allows.

    Cells of the grid in `covered` are filled with the picture's mean colour.
    """

    def __init__(
        self,
        backbone: ImageBackbone,
        files: Sequence[ImageFile],
        compute: Compute,
        covered: Collection[str] = (),
    ) -> None:
        super().__init__(backbone, torch.arange(len(files) + 1) * backbone.tokens, compute)
        self._backbone, self._files = backbone, files
        size = len(files) * int(np.prod(backbone.shape)) * 4
        self._is_kept = size < MAX_SHARE_OF_MEMORY * psutil.virtual_memory().available
        self._read: dict[int, Tensor] = {}
        self._covered = [cell for cell in all_cells() if cell_name(*cell) in covered]

    def digest(self) -> bytes:
        """Equal for the same pictures in the same order."""
        return hashlib.sha256("".join(file.digest for file in self._files).encode()).digest()

    def pixels(self, index: np.ndarray) -> Tensor:
        """Some pictures, where the model computes: float32 (batch, channels, height, width)."""
        missing = [int(i) for i in index if int(i) not in self._read]
        new: dict[int, Tensor] = {}
        if missing:
            read = self._backbone.pixels([opened(self._files[i]) for i in missing])
            for row, column in self._covered:
                down, right = _slices(row, read.shape[2]), _slices(column, read.shape[3])
                read[:, :, down, right] = read.mean(dim=(2, 3), keepdim=True)
            new = dict(zip(missing, read, strict=True))
        if self._is_kept:
            self._read |= new
        found = [new[int(i)] if int(i) in new else self._read[int(i)] for i in index]
        return torch.stack(found).to(self.compute.device)

    def _to_cut(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        hidden = self._backbone.lower(self.pixels(index))
        return hidden, torch.ones(hidden.shape[:2], dtype=torch.bool)

    def _from_cut(self, index: np.ndarray, hidden: Tensor) -> Tensor:
        return self._backbone.pool(self._backbone.upper(hidden))

    def _whole(self, index: np.ndarray) -> Tensor:
        return self._backbone.pool(self._backbone(self.pixels(index)))

    def cell_shares(self, index: np.ndarray, score: Callable[[Tensor], Tensor]) -> np.ndarray:
        """How much of each picture's attribution lies in each cell: float (r, 4, 4), sums of 1.

        Positive part of gradient x input (Shrikumar et al. 2017, 1704.02685), at the pixels; the
        input is taken from its mean colour, which is nothing to lean on.

        Args:
            index: which pictures.
            score: pooled vectors (batch, width) -> the scalar per picture that is explained.
        """
        found = []
        for start in range(0, len(index), 16):
            pixels = self.pixels(index[start : start + 16]).detach().requires_grad_()
            with self.compute.autocast():
                pooled = self._backbone.pool(self._backbone(pixels))
            (gradient,) = torch.autograd.grad(score(pooled).sum(), pixels)
            plain = pixels.mean(dim=(2, 3), keepdim=True)
            share = (gradient * (pixels - plain)).sum(dim=1).clamp(min=0).detach()
            cells = F.adaptive_avg_pool2d(share[:, None], GRID)[:, 0].cpu().double()
            total = cells.sum(dim=(1, 2), keepdim=True)
            found.append(torch.where(total > 0, cells / total, 1 / GRID**2).numpy())
        return np.concatenate(found)


def all_cells() -> list[tuple[int, int]]:
    """(row, column) of every cell, line by line."""
    return [(row, column) for row in range(GRID) for column in range(GRID)]


def _slices(cell: int, side: int) -> slice:
    return slice(cell * side // GRID, (cell + 1) * side // GRID)


def cell_name(row: int, column: int) -> str:
    """What people call a cell: `A1` is at the top left, `D1` at the top right."""
    return f"{COLUMNS[column]}{row + 1}"
