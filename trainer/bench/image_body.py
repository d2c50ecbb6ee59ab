"""A small image model that has seen neither a class nor an image of the benchmark's tasks.

A residual network, trained on the spot to tell five other classes and four rotations (Gidaris et
al. 2018, 1803.07728) apart, and kept in the user's cache: minutes of one core, once.
`python -m trainer.bench.image_body FOLDER` trains it beforehand.
"""

from __future__ import annotations

import io
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from PIL import Image
from platformdirs import user_cache_path
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from trainer import toys
from trainer.bench.cifar import of_body, test_images, train_images

log = logging.getLogger(__name__)

RECIPE = 1
"""Raise it when anything below changes: a body of an older recipe is trained anew."""
SIDE = 64  # px the model reads; its stem halves them twice
WIDTHS = (32, 64, 128, 256)
UPRIGHT = 0.6  # share of a batch


@dataclass(frozen=True, slots=True)
class Schooling:
    """How a body is trained.

    Attributes:
        steps: of `batch` images.
        knows_classes: whether it learns classes besides rotations.
    """

    steps: int = 1200
    batch: int = 64
    lr: float = 2e-3
    knows_classes: bool = True


def body(folder: Path, schooling: Schooling | None = None) -> Path:
    """The folder of the trained model.

    Args:
        folder: of public data sets, with the images of `trainer.bench.cifar`.
        schooling: how it is trained, where it is not in the cache.

    Raises:
        trainer.data.samples.DataError: the images are not there.
    """
    how = schooling or Schooling()
    kind = "classes" if how.knows_classes else "rotations"
    found = user_cache_path("joulery") / "toys" / f"cifar-resnet-{kind}-{how.steps}-{RECIPE}"
    if not (found / "config.json").exists():
        jpeg, gold = of_body(train_images(folder), test_images(folder))
        log.info("training a small image model, once: minutes")
        side = {"height": SIDE, "width": SIDE}
        toys.save(found, _trained(_pixels(jpeg), gold, how), ViTImageProcessorPil(size=side))
    return found


def _pixels(jpeg: list[bytes]) -> Tensor:
    """uint8 (n, 3, SIDE, SIDE), enlarged as the processor enlarges."""
    read = []
    for content in jpeg:
        with Image.open(io.BytesIO(content)) as picture:
            large = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            read.append(np.asarray(large))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).contiguous()


def _trained(pixels: Tensor, gold: np.ndarray, how: Schooling) -> ResNetModel:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = ResNetConfig(
        embedding_size=32, hidden_sizes=list(WIDTHS), depths=[1] * len(WIDTHS), layer_type="basic"
    )
    model: Any = ResNetModel(config)  # its signatures defeat the type checker
    model.to(memory_format=torch.channels_last)
    kinds = {c: k for k, c in enumerate(sorted({int(c) for c in gold}))}
    classes = torch.tensor([kinds[int(c)] for c in gold])
    n_kinds = len(kinds) if how.knows_classes else 1
    head = nn.Linear(WIDTHS[-1], 4 * n_kinds)
    weights = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=how.lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, how.lr, total_steps=how.steps, pct_start=100 / how.steps
    )
    model.train()
    for step in range(how.steps):
        rows = torch.randint(len(pixels), (how.batch,))
        turns = torch.randint(4, (how.batch,)) * (torch.rand(how.batch) > UPRIGHT)
        seen = _seen(pixels[rows], turns)
        target = turns + 4 * (classes[rows] if how.knows_classes else 0)
        with torch.autocast("cpu", torch.bfloat16):
            last = model(seen.to(memory_format=torch.channels_last)).last_hidden_state
        loss = F.cross_entropy(head(last.float().mean(dim=(2, 3))), target, label_smoothing=0.05)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            log.info("step %d of %d, loss %.3f", step, how.steps, float(loss.detach()))
    trained: ResNetModel = model.eval()
    return trained


def _seen(pixels: Tensor, turns: Tensor) -> Tensor:
    """Shifted, mirrored and turned: float32 in [-1, 1]."""
    seen = pixels.float() / 127.5 - 1
    shift = 6
    padded = F.pad(seen, (shift,) * 4, mode="reflect")
    out = torch.empty_like(seen)
    for i in range(len(seen)):
        down, right = torch.randint(2 * shift + 1, (2,)).tolist()
        view = padded[i, :, down : down + SIDE, right : right + SIDE]
        if torch.rand(()) < 0.5:
            view = view.flip(2)
        out[i] = view.rot90(int(turns[i]), (1, 2))
    return out


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    sys.stdout.write(f"{body(Path(sys.argv[1]))}\n")
