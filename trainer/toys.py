"""Small models for machines without a hub: trained once on the spot, kept in the user's cache.

They know nothing of any task: a toy sees data of the example it is for, and never a label, or text
that the examples do not ask about.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from platformdirs import user_cache_path
from torch import nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, ViTConfig, ViTModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from trainer.data.api_prose import library_questions, prose
from trainer.data.digits import unlabelled_digits
from trainer.small_llama import Schooling, trained

log = logging.getLogger(__name__)

RECIPE = 1
"""Raise it when anything below changes: a toy of an older recipe is trained anew."""
SIDE, STEPS, BATCH = 32, 800, 64
SCHOOLING = Schooling(width=128, layers=4, vocabulary=3000, context=128, steps=700)


def toy_image_model() -> Path:
    """The folder of a small vision transformer, trained to draw unlabelled digits from memory.

    A denoising autoencoder (Vincent et al. 2008): its class token has to hold what is on the
    picture. Under a minute of one core the first time.
    """
    folder = user_cache_path("joulery") / "toys" / f"digits-vit-{RECIPE}"
    if not (folder / "config.json").exists():
        side = {"height": SIDE, "width": SIDE}
        save(folder, _trained_vit(), ViTImageProcessorPil(size=side))
    return folder


def toy_language_model() -> Path:
    """The folder of a small Llama that has read how Python and its libraries are documented.

    It has seen prompts and answers, never one that `builtin:stdlib` holds. About two minutes of one
    core the first time.
    """
    folder = user_cache_path("joulery") / "toys" / f"docs-llama-{RECIPE}"
    if not (folder / "config.json").exists():
        save(folder, *_trained_llama())
    return folder


class Savable(Protocol):
    """A model, or what goes with one."""

    def save_pretrained(self, save_directory: Path) -> object:
        """Write it into a folder."""


def save(folder: Path, *parts: Savable) -> None:
    """Whole or not at all: two children may train the same toy at once."""
    unfinished = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in parts:
        part.save_pretrained(unfinished)
    try:
        unfinished.rename(folder)
    except OSError:  # another child was faster
        shutil.rmtree(unfinished, ignore_errors=True)


def _trained_vit() -> ViTModel:
    log.info("training a small vision transformer, once: under a minute")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128,
        image_size=SIDE, patch_size=8, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = ViTModel(config, add_pooling_layer=False)
    drawn = nn.Linear(config.hidden_size, 16 * 16)
    weights = [*model.parameters(), *drawn.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=STEPS)
    pictures = torch.from_numpy(unlabelled_digits(SIDE)).permute(0, 3, 1, 2).float() / 127.5 - 1
    for _ in range(STEPS):
        clear = pictures[torch.randint(len(pictures), (BATCH,))]
        noisy = clear + 0.5 * torch.randn_like(clear)
        vectors = model(pixel_values=noisy).last_hidden_state[:, 0]
        target = F.avg_pool2d(clear.mean(dim=1, keepdim=True), 2).flatten(1)
        loss = F.mse_loss(drawn(vectors), target)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return model


def _trained_llama() -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    log.info("training a small language model, once: about two minutes")
    dialogues = [f"Q: {prompt}\nA:\n{answer}" for prompt, answer in library_questions()]
    return trained([*dialogues, *prose()], SCHOOLING)
