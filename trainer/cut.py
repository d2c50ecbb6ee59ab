"""A pretrained model wrapped with LoRA and cut into a frozen and a trained part.

Only the top layers carry LoRA, so what the layers below compute never changes: it is computed once
per sample, kept, and used for scoring and for every epoch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN_TARGETS
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from trainer.segment import Refusal
from trainer.spec import LoraSpec

USUAL_TARGETS = frozenset(
    {"query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "query_proj", "value_proj"}
)


class ModelError(Refusal):
    """The model cannot be used; the text says why and what to do."""


class _Reached(Exception):  # noqa: N818 -- a signal between two hooks, never seen outside
    """The forward pass has come to the cut."""

    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class CutModel(nn.Module):
    """A transformers model without its head, LoRA on its top layers.

    Args:
        model: `base` as peft wrapped it.
        base: the transformers model itself.
        top_layers: how many layers of its longest list carry LoRA.
        is_cut: whether the layers below are run once only; the whole model runs each time if not.
    """

    width: int
    """Of a sample's vector; subclasses set it."""

    def __init__(
        self, model: nn.Module, base: PreTrainedModel, top_layers: int, *, is_cut: bool = True
    ) -> None:
        super().__init__()
        self.peft = model
        self._base = [base]  # in a list: it is `peft`'s child already, not ours
        parent, name, layers = layer_list(base)
        self._parent, self._name = [parent], name
        self.cut = len(layers) - top_layers if is_cut else 0
        self.n_layers = len(layers)
        self._all, self._top = [layers], [nn.ModuleList(list(layers)[self.cut :])]

    @property
    def base(self) -> PreTrainedModel:
        """The transformers model itself."""
        return self._base[0]

    def to_cut(self, **inputs: Any) -> Tensor:
        """Hidden states that enter the first LoRA layer."""

        def stop(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            raise _Reached(args[0] if args else kwargs["hidden_states"])

        hook = self._all[0][self.cut].register_forward_pre_hook(stop, with_kwargs=True)
        try:
            self.base(**inputs)
        except _Reached as reached:
            return reached.hidden
        finally:
            hook.remove()
        raise AssertionError("the forward pass never came to the cut")

    def from_cut(self, hidden: Tensor, **inputs: Any) -> Tensor:
        """Last hidden states, computed from those at the cut by the top layers alone.

        `inputs` give what does not depend on the hidden states: masks and shapes.
        """

        def replace(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if args:
                return (hidden, *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": hidden}

        hook = self._top[0][0].register_forward_pre_hook(replace, with_kwargs=True)
        try:
            with self._only_top_layers():
                out = self.base(**inputs)
        finally:
            hook.remove()
        last: Tensor = out.last_hidden_state
        return last

    def whole(self, **inputs: Any) -> Tensor:
        """Last hidden states of the whole model."""
        last: Tensor = self.base(**inputs).last_hidden_state
        return last

    def first_layer(self) -> nn.Module:
        """The layer whose input is the embedded input: where attributions are read."""
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


def load_pretrained(
    model: str,
    path: str,
    revision: str | None,
    companion: Any,
    wanted: str,
    auto: Any = AutoModel,
    how: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> tuple[PreTrainedModel, Any]:
    """(model, its tokenizer or image processor), float32, from safetensors alone.

    Args:
        model: what the spec calls it, for the message.
        path: hub id or folder.
        revision: hub commit.
        companion: the class that reads what goes with the model.
        wanted: what else the spec may say, for the message.
        auto: the class that reads the model; as it is, without its head.
        how: options of the model.
        options: of the companion.

    Raises:
        ModelError: unknown or unsafe model.
    """
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
        beside = companion.from_pretrained(
            path, revision=revision, trust_remote_code=False, **options
        )
        base = auto.from_pretrained(
            path,
            revision=revision,
            config=config,
            trust_remote_code=False,
            use_safetensors=True,  # never a pickle
            **{"dtype": torch.float32, **how},
        )
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as err:
        raise ModelError(
            f"cannot load the model {model!r}: {short(err)}; give a hub id, a local folder with "
            f"config.json and model.safetensors, or {wanted}"
        ) from err
    return base, beside


def with_lora(
    base: PreTrainedModel, lora: LoraSpec, seed: int, model: str
) -> tuple[nn.Module, int]:
    """(the model with fresh LoRA weights, number of layers that carry them).

    Raises:
        ModelError: the settings do not fit the model.
    """
    _, _, layers = layer_list(base)
    top = _top_layers(lora, len(layers))
    inside = {id(m) for layer in list(layers)[len(layers) - top :] for m in layer.modules()}
    able = [
        name
        for name, module in base.named_modules()
        if id(module) in inside and _can_carry_lora(module)
    ]
    names = {_last_part(name) for name in able}
    wanted = _targets(base, lora, names)
    targets = [name for name in able if _last_part(name) in wanted]
    missing = sorted(set(wanted) - names)
    if missing:
        raise ModelError(
            f"lora.targets = {list(wanted)}: {model!r} has no {', '.join(missing)} in its top "
            f"{top} layers; it has {', '.join(sorted(names))}"
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
    return wrapped, top


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


def _targets(base: PreTrainedModel, lora: LoraSpec, names: set[str]) -> tuple[str, ...]:
    """Which of the `names` in the top layers get LoRA."""
    if lora.targets != "auto":
        return lora.targets
    known = KNOWN_TARGETS.get(base.config.model_type)
    if isinstance(known, list):
        found = tuple(n for name in known if (n := _last_part(name)) in names)
        if found:
            return found
    return tuple(sorted(names & USUAL_TARGETS or names))


def _last_part(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _can_carry_lora(module: nn.Module) -> bool:
    """Products of matrices, GPT-2's transposed ones too, and convolutions but for grouped ones."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1
    return isinstance(module, nn.Linear | Conv1D)


def layer_list(base: nn.Module) -> tuple[nn.Module, str, nn.ModuleList]:
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


def short(err: Exception) -> str:
    """An exception's words on one line, cut."""
    return " ".join(str(err).split())[:200]
