"""What the frozen layers make of every sample: computed once, kept on disk, used ever after."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
from trainer.cut import CutModel
from trainer.marks import Marks
from trainer.ragged import Ragged, length_batches

BATCH = 32
MAX_SHARE_OF_MEMORY = 0.25


class Inputs(ABC):
    """What a model reads, sample by sample, with the hidden states at its cut once `fill` has run.

    Without a cut (LoRA on all layers), or where the hidden states would take more than a quarter
    of the free memory, everything is computed anew each time.

    Args:
        model: what reads them.
        offsets: int64 (n + 1,), where each sample's tokens begin.
        compute: where and how precisely.
        n_out: numbers that come out per sample; None = a pooled vector.
    """

    def __init__(
        self, model: CutModel, offsets: Tensor, compute: Compute, n_out: int | None = None
    ) -> None:
        self._model = model
        self._n_out = model.width if n_out is None else n_out
        self._offsets = offsets
        self.compute = compute
        self.lengths: np.ndarray = offsets.diff().numpy()
        """Tokens per sample: int64 (n,)."""
        self.hidden: Ragged | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    @abstractmethod
    def digest(self) -> bytes:
        """Equal for the same content in the same order."""

    @abstractmethod
    def _to_cut(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """(hidden states at the cut, mask) of some samples: (batch, tokens, width), bool."""

    @abstractmethod
    def _from_cut(self, index: np.ndarray, hidden: Tensor) -> Tensor:
        """What comes out, from hidden states at the cut: float32, a row per sample."""

    @abstractmethod
    def _whole(self, index: np.ndarray) -> Tensor:
        """What comes out of the whole model: float32, a row per sample."""

    def keep(self, values: Tensor) -> None:
        """Take hidden states that were saved from `hidden.values`."""
        self.hidden = Ragged(values, self._offsets)

    @property
    def can_cache(self) -> bool:
        """Whether keeping the hidden states is possible and affordable."""
        size = int(self._offsets[-1]) * self._model.width * self.compute.dtype.itemsize
        affordable = size < MAX_SHARE_OF_MEMORY * psutil.virtual_memory().available
        return self._model.cut > 0 and affordable

    @torch.inference_mode()
    def fill(self, marks: Marks, what: str, rows: np.ndarray | None = None) -> None:
        """Keep the hidden states at the cut, where that is possible; of `rows` alone if given."""
        if self.hidden is None and not self.can_cache:
            return
        rows = np.arange(len(self)) if rows is None else rows
        if self.hidden is None:
            room = torch.empty(int(self._offsets[-1]), self._model.width, dtype=self.compute.dtype)
            self.keep(room)
        assert self.hidden is not None
        done = 0
        for index in length_batches(self.lengths, rows, BATCH):
            with self.compute.autocast():
                self.hidden.put(index, *self._to_cut(index))
            done += len(index)
            marks.progress(what, done, len(rows))

    def outputs(self, index: np.ndarray) -> Tensor:
        """What the model as it stands makes of some samples: float32, a row per sample."""
        with self.compute.autocast():
            if self.hidden is None:
                return self._whole(index)
            hidden = self.hidden.batch(index)[0].to(self.compute.device).float()
            return self._from_cut(index, hidden)

    @torch.inference_mode()
    def all_outputs(self, rows: np.ndarray | None = None) -> Tensor:
        """Of all samples, or of `rows` in their order: float32, a row per sample."""
        rows = np.arange(len(self)) if rows is None else rows
        place = np.zeros(len(self), dtype=np.int64)
        place[rows] = np.arange(len(rows))
        out = torch.empty(len(rows), self._n_out)
        for index in length_batches(self.lengths, rows, 2 * BATCH):
            out[torch.from_numpy(place[index])] = self.outputs(index).cpu()
        return out

    @property
    def trained_share(self) -> float:
        """Share of the model's layers that a forward runs through."""
        if self.hidden is None:
            return 1.0
        return 1 - self._model.cut / self._model.n_layers


class Texts(Inputs):
    """Texts as token ids."""

    def __init__(
        self, backbone: Backbone, tokenizer: Any, texts: Sequence[str], max_tokens: int,
        compute: Compute,
    ) -> None:  # fmt: skip
        encode = partial(tokenizer, truncation=True, max_length=max_tokens)
        ids = encode(list(texts))["input_ids"] if texts else []
        self.ids = Ragged.from_lists([i or [tokenizer.pad_token_id or 0] for i in ids])
        self.backbone = backbone
        super().__init__(backbone, self.ids.offsets, compute)

    def digest(self) -> bytes:
        """Equal for the same tokens in the same order."""
        return self.ids.values.numpy().tobytes() + self.ids.offsets.numpy().tobytes()

    def tokens(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """(token ids, mask) of some texts, padded, where the model computes."""
        ids, mask = self.ids.batch(index)
        return ids.to(self.compute.device), mask.to(self.compute.device)

    def _to_cut(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = self.tokens(index)
        return self.backbone.lower(ids, mask), mask

    def _from_cut(self, index: np.ndarray, hidden: Tensor) -> Tensor:
        ids, mask = self.tokens(index)
        return self.backbone.pool(self.backbone.upper(hidden, mask, ids), mask)

    def _whole(self, index: np.ndarray) -> Tensor:
        ids, mask = self.tokens(index)
        return self.backbone.pool(self.backbone(ids, mask), mask)


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
