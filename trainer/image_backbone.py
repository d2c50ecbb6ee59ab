"""The pretrained image model: loaded safely, pooled to one vector per picture."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoImageProcessor, PreTrainedModel

from trainer.cut import CutModel, ModelError, layer_list, load_pretrained, with_lora
from trainer.spec import LoraSpec
from trainer.toys import toy_image_model


class ImageBackbone(CutModel):
    """An image model without its head, LoRA on its top layers.

    Transformers of equal layers (ViT, DeiT, BEiT, DINOv2...) are cut, so that the layers below run
    once per picture; where layers differ in shape (Swin, ResNet, ConvNeXt) all of it runs each time.

    Args:
        model: `base` as peft wrapped it.
        base: the transformers model itself.
        top_layers: how many layers carry LoRA.
        processor: turns a picture into what the model reads.
    """

    def __init__(
        self, model: nn.Module, base: PreTrainedModel, top_layers: int, processor: Any
    ) -> None:
        self._processor = processor
        blank = self._read(processor, [Image.new("RGB", (64, 64))])
        super().__init__(model, base, top_layers, is_cut=_has_equal_layers(base))
        self._has_class_token = any(n.endswith("cls_token") for n, _ in base.named_parameters())
        self.shape = tuple(blank.shape[1:])
        """(channels, height, width) of what the model reads."""
        with torch.inference_mode():
            self.tokens = self.lower(blank).shape[1] if self.cut else 1
            self.width = int(self.pool(self.whole(pixel_values=blank)).shape[1])

    def pixels(self, pictures: list[Image.Image]) -> Tensor:
        """What the model reads of some RGB pictures: float32 (n, channels, height, width)."""
        return self._read(self._processor, pictures)

    @staticmethod
    def _read(processor: Any, pictures: list[Image.Image]) -> Tensor:
        values: Tensor = processor(pictures, return_tensors="pt")["pixel_values"]
        return values.float()

    def lower(self, pixels: Tensor) -> Tensor:
        """Hidden states that enter the first LoRA layer: (batch, tokens, width)."""
        return self.to_cut(pixel_values=pixels)

    def upper(self, hidden: Tensor) -> Tensor:
        """Last hidden states, computed from those at the cut by the top layers alone."""
        blank = torch.zeros(len(hidden), *self.shape, device=hidden.device)
        return self.from_cut(hidden, pixel_values=blank)

    def forward(self, pixels: Tensor) -> Tensor:
        """Last hidden states of the whole model."""
        return self.whole(pixel_values=pixels)

    @property
    def pooling(self) -> str:
        """Which of the last hidden states `pool` takes: the `first`, or the `mean` of all."""
        return "first" if self._has_class_token else "mean"

    def pool(self, hidden: Tensor) -> Tensor:
        """One vector per picture, float32 (batch, width): its class token, else the mean."""
        hidden = hidden.float()
        if hidden.dim() == 4:  # (batch, channels, height, width)
            return hidden.mean(dim=(2, 3))
        return hidden[:, 0] if self._has_class_token else hidden.mean(dim=1)


def load_image_backbone(
    model: str, revision: str | None, lora: LoraSpec, seed: int
) -> ImageBackbone:
    """The model with fresh LoRA weights.

    Args:
        model: hub id, folder, or toy.
        revision: hub commit.
        lora: which weights may move.
        seed: LoRA's first weights are drawn from it.

    Raises:
        ModelError: unknown or unsafe model, no image model, or LoRA settings that do not fit it.
    """
    path = str(toy_image_model()) if model == "toy" else model
    base, processor = load_pretrained(
        model, path, revision, AutoImageProcessor, "toy", backend="pil"
    )
    if base.main_input_name != "pixel_values":
        raise ModelError(
            f"{model!r} reads {base.main_input_name}, not pictures; give an image model, or set "
            "task to text-classification"
        )
    wrapped, top = with_lora(base, lora, seed, model)
    return ImageBackbone(wrapped, base, top, processor)


def _has_equal_layers(base: nn.Module) -> bool:
    """Whether any layer could stand in any other's place."""
    _, _, layers = layer_list(base)
    shapes = {
        tuple(sorted(tuple(p.shape) for name, p in layer.named_parameters() if "lora_" not in name))
        for layer in layers
    }
    return len(shapes) == 1
