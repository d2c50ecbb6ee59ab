"""What the frozen layers make of every text: computed once, kept on disk, used for ever after."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainer.backbone import Backbone
from trainer.compute import Compute
from trainer.marks import Marks
from trainer.ragged import Ragged, length_batches

BATCH = 32
MAX_SHARE_OF_MEMORY = 0.25


class Texts:
    """Texts as token ids, with their hidden states at the cut once `fill` or `load` has run.

    Without a cut (LoRA on all layers), or where the hidden states would take more than a quarter
    of the free memory, everything is computed anew each time.
    """

    def __init__(
        self, backbone: Backbone, tokenizer: Any, texts: Sequence[str], max_tokens: int,
        compute: Compute,
    ) -> None:  # fmt: skip
        encode = partial(tokenizer, truncation=True, max_length=max_tokens)
        ids = encode(list(texts))["input_ids"] if texts else []
        self.ids = Ragged.from_lists([i or [tokenizer.pad_token_id or 0] for i in ids])
        self.backbone = backbone
        self.compute = compute
        self.hidden: Ragged | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def can_cache(self) -> bool:
        """Whether keeping the hidden states is possible and affordable."""
        size = len(self.ids.values) * self.backbone.width * self.compute.dtype.itemsize
        affordable = size < MAX_SHARE_OF_MEMORY * psutil.virtual_memory().available
        return self.backbone.cut > 0 and affordable

    @torch.inference_mode()
    def fill(self, marks: Marks, what: str, rows: np.ndarray | None = None) -> None:
        """Keep the hidden states at the cut, where that is possible; of `rows` alone if given."""
        if self.hidden is None and not self.can_cache:
            return
        rows = np.arange(len(self)) if rows is None else rows
        hidden = self.hidden
        if hidden is None:
            hidden = self.ids.empty_like(self.backbone.width, self.compute.dtype)
        done = 0
        for index in length_batches(self.ids.lengths, rows, BATCH):
            ids, mask = self.tokens(index)
            with self.compute.autocast():
                hidden.put(index, self.backbone.lower(ids, mask), mask)
            done += len(index)
            marks.progress(what, done, len(rows))
        self.hidden = hidden

    def vectors(self, index: np.ndarray) -> Tensor:
        """Pooled vectors of some texts by the model as it stands: float32 (batch, width)."""
        ids, mask = self.tokens(index)
        with self.compute.autocast():
            if self.hidden is None:
                last = self.backbone(ids, mask)
            else:
                last = self.backbone.upper(self._at_cut(index), mask, ids)
        return self.backbone.pool(last, mask)

    def tokens(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """(token ids, mask) of some texts, padded, where the model computes."""
        ids, mask = self.ids.batch(index)
        return ids.to(self.compute.device), mask.to(self.compute.device)

    def _at_cut(self, index: np.ndarray) -> Tensor:
        assert self.hidden is not None
        return self.hidden.batch(index)[0].to(self.compute.device).float()

    @torch.inference_mode()
    def all_vectors(self, rows: np.ndarray | None = None) -> Tensor:
        """Pooled vectors of all texts, or of `rows` in their order: float32 (r, width)."""
        rows = np.arange(len(self)) if rows is None else rows
        place = np.zeros(len(self), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        out = torch.empty(len(rows), self.backbone.width)
        for index in length_batches(self.ids.lengths, rows, 2 * BATCH):
            out[torch.from_numpy(place[index])] = self.vectors(index).cpu()
        return out

    @property
    def trained_share(self) -> float:
        """Share of the model's layers that a forward runs through."""
        if self.hidden is None:
            return 1.0
        return 1 - self.backbone.cut / self.backbone.n_layers


def save(path: Path, tensors: dict[str, Tensor], *, about: str = "") -> None:
    """Write tensors, and a word about them, under a temporary name, then rename.

    Raises:
        OSError: the disk is full; nothing that stood there before is harmed.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        contiguous = {k: v.contiguous() for k, v in tensors.items()}
        save_file(contiguous, temporary, metadata={"about": about})
    except (OSError, SafetensorError) as err:
        temporary.unlink(missing_ok=True)
        # safetensors reports a full disk as its own error without errno or path
        raise OSError(28 if "space" in str(err).lower() else 5, str(err), str(path)) from err
    temporary.replace(path)


def load(path: Path) -> dict[str, Tensor]:
    """The tensors written by `save`."""
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def load_if(path: Path, *, about: str) -> dict[str, Tensor] | None:
    """The tensors written by `save` with the same word about them; None where there are none."""
    try:
        with safe_open(path, framework="pt") as file:
            return load(path) if (file.metadata() or {}).get("about") == about else None
    except (OSError, SafetensorError):  # missing, or damaged: it is only a cache
        return None
