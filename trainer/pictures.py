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
LENT = 0.1
"""Share of the pictures on which a cell shows what another picture has there, where it is not
favoured and others are."""


class Pictures(Inputs):
    """Pictures, decoded when they are wanted, and kept while memory allows."""

    def __init__(
        self, backbone: ImageBackbone, files: Sequence[ImageFile], compute: Compute
    ) -> None:
        super().__init__(backbone, torch.arange(len(files) + 1) * backbone.tokens, compute)
        self.backbone, self.files = backbone, files
        size = len(files) * int(np.prod(backbone.shape)) * 4
        self._is_kept = size < MAX_SHARE_OF_MEMORY * psutil.virtual_memory().available
        self._read: dict[int, Tensor] = {}

    def digest(self) -> bytes:
        """Equal for the same pictures in the same order."""
        return hashlib.sha256("".join(file.digest for file in self.files).encode()).digest()

    def pixels(self, index: np.ndarray) -> Tensor:
        """Some pictures, where the model computes: float32 (batch, channels, height, width)."""
        missing = [int(i) for i in index if int(i) not in self._read]
        new: dict[int, Tensor] = {}
        if missing:
            read = self.backbone.pixels([opened(self.files[i]) for i in missing])
            new = dict(zip(missing, read, strict=True))
        if self._is_kept:
            self._read |= new
        found = [new[int(i)] if int(i) in new else self._read[int(i)] for i in index]
        return torch.stack(found).to(self.compute.device)

    def _to_cut(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        hidden = self.backbone.lower(self.pixels(index))
        return hidden, torch.ones(hidden.shape[:2], dtype=torch.bool)

    def _from_cut(self, index: np.ndarray, hidden: Tensor) -> Tensor:
        return self.backbone.pool(self.backbone.upper(hidden))

    def _whole(self, index: np.ndarray) -> Tensor:
        return self.backbone.pool(self.backbone(self.pixels(index)))

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
                pooled = self.backbone.pool(self.backbone(pixels))
            (gradient,) = torch.autograd.grad(score(pooled).sum(), pixels)
            plain = pixels.mean(dim=(2, 3), keepdim=True)
            share = (gradient * (pixels - plain)).sum(dim=1).clamp(min=0).detach()
            cells = F.adaptive_avg_pool2d(share[:, None], GRID)[:, 0].cpu().double()
            total = cells.sum(dim=(1, 2), keepdim=True)
            found.append(torch.where(total > 0, cells / total, 1 / GRID**2).numpy())
        return np.concatenate(found)


class Retouched(Pictures):
    """Pictures as people's votes on cells have them; what `plain` keeps is not decoded again.

    Idle cells are filled with the picture's mean colour. Lent ones show on a part of the pictures
    what another picture has there, so that they tell less, and those that are left alone all the
    more: CutMix (Yun et al. 2019, 1905.04899) that keeps what matters, as KeepAugment does (Gong et
    al. 2020, 2011.11778).

    Args:
        plain: the pictures as they are.
        idle: cells that are covered on all of them.
        lent: cells that show another picture now and then.
    """

    def __init__(self, plain: Pictures, idle: Collection[str], lent: Collection[str]) -> None:
        super().__init__(plain.backbone, plain.files, plain.compute)
        self._plain = plain
        self.covered = _is_among(idle)
        self.lent, self.lender = lending([file.digest for file in plain.files], lent)

    def pixels(self, index: np.ndarray) -> Tensor:
        """Some pictures, where the model computes: float32 (batch, channels, height, width)."""
        pixels = self._plain.pixels(index)
        colour = pixels.mean(dim=(2, 3), keepdim=True)
        borrows = np.flatnonzero(self.lent[index].any(axis=(1, 2)))
        if len(borrows):
            other = self._plain.pixels(self.lender[index[borrows]])
            pixels[borrows] = torch.where(
                _enlarged(self.lent[index[borrows]], pixels), other, pixels[borrows]
            )
        return torch.where(_enlarged(self.covered[None], pixels), colour, pixels)


def lending(digests: Sequence[str], cells: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """(which cells of each picture show another one: bool (n, 4, 4), which one that is: int (n,)). Pure.

    Drawn from the picture itself: it looks the same in every pass, and after every pause.

    Args:
        digests: hexadecimal, one per picture.
        cells: those that pictures may borrow.
    """
    lent = np.zeros((len(digests), GRID, GRID), bool)
    lender = np.zeros(len(digests), np.int64)
    for i, digest in enumerate(digests if cells else ()):
        rng = np.random.default_rng(int(digest, 16))
        lent[i] = rng.random((GRID, GRID)) < LENT
        lender[i] = rng.integers(len(digests))
    return lent & _is_among(cells), lender


def _is_among(names: Collection[str]) -> np.ndarray:
    """Which cells bear these names: bool (4, 4)."""
    is_named = [cell_name(*cell) in names for cell in all_cells()]
    return np.array(is_named).reshape(GRID, GRID)


def _enlarged(cells: np.ndarray, pixels: Tensor) -> Tensor:
    """Cells as pixels: bool (batch, 4, 4) to (batch, 1, height, width)."""
    rows, columns = (torch.arange(side) * GRID // side for side in pixels.shape[2:])
    return torch.from_numpy(cells)[:, None, rows][..., columns].to(pixels.device)


def all_cells() -> list[tuple[int, int]]:
    """(row, column) of every cell, line by line."""
    return [(row, column) for row in range(GRID) for column in range(GRID)]


def cell_name(row: int, column: int) -> str:
    """What people call a cell: `A1` is at the top left, `D1` at the top right."""
    return f"{COLUMNS[column]}{row + 1}"
