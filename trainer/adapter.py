"""A checkpoint's best weights as a standard peft folder: `python -m trainer.adapter`, plan on stdin.

`adapter_config.json` and `adapter_model.safetensors` are what peft itself writes. A classifier's
head is none that transformers has (directions of unit vectors around the pool's mean), so it lies
beside them in `head.safetensors`, and `head.json` says how it is used.
"""

from __future__ import annotations

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn

from trainer import activations, compute
from trainer.backbone import Backbone
from trainer.cut import CutModel
from trainer.data.read import read_splits
from trainer.desk import Desk
from trainer.image_backbone import ImageBackbone
from trainer.language import LanguageModel
from trainer.marks import Marks
from trainer.segment import Refusal, SegmentPlan
from trainer.spec import RunSpec
from trainer.tasks.cosine_head import SCALE, CosineHead
from trainer.tasks.registry import task_of

HUB_NAMES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2"}
"""Where the weights of the demo extra come from; their pinned hash is the hub's."""


def write_adapter(plan: SegmentPlan, folder: Path) -> dict[str, Any]:
    """Write the best weights of the plan's checkpoint; what a model card says of them.

    Raises:
        Refusal: data, model or checkpoint cannot be used.
        OSError: the folder cannot be written.
    """
    torch.manual_seed(plan.seed)
    hardware = compute.set_up(plan.spec.train)
    task = task_of(plan.spec)
    loaded = task.load(plan.spec, plan.seed)
    splits = read_splits(plan.spec, plan.seed)
    learner = task.learner(plan.spec, splits, loaded, hardware, Path(plan.arm_folder))
    Desk(plan, learner, Marks())  # the head is centred on the rows an arm began with
    _put_best(Path(plan.checkpoint or ""), learner.trainable())
    model = loaded if isinstance(loaded, CutModel) else loaded[0]
    folder.mkdir(parents=True, exist_ok=True)
    base = base_name(plan.spec, model)
    told: dict[str, Any] = {"base": base, "revision": plan.spec.revision}
    _write_lora(folder, model, base, plan.spec.revision)
    head = getattr(learner, "head", None)
    if isinstance(head, CosineHead):
        told["head"] = _write_head(folder, head, model, learner.splits.labels, plan.spec)
    return told


def base_name(spec: RunSpec, model: CutModel) -> str:
    """What others load the adapter onto: a hub id, or the folder the model was read from."""
    return HUB_NAMES.get(spec.model) or str(model.base.config.name_or_path)


def _put_best(checkpoint: Path, groups: dict[str, dict[str, nn.Parameter]]) -> None:
    try:
        best = activations.load(checkpoint / "best.safetensors")
        with torch.no_grad():
            for group, members in groups.items():
                for name, parameter in members.items():
                    parameter.copy_(best[f"{group}.{name}"])
    except Exception as err:  # a damaged file can raise anything: all of it means unreadable
        raise Refusal(f"cannot read the checkpoint {checkpoint}: {err}") from err


def _write_lora(folder: Path, model: CutModel, base: str, revision: str | None) -> None:
    """As `PeftModel.save_pretrained` would, under the names of the model as others load it."""
    wrapped = cast(PeftModel, model.peft)
    config = cast(LoraConfig, deepcopy(wrapped.peft_config["default"]))
    tensors: dict[str, Tensor] = get_peft_model_state_dict(wrapped)
    # ours wraps the layers alone, others the language model with its head
    prefix = f"{model.base.base_model_prefix}." if isinstance(model, LanguageModel) else ""
    root = "base_model.model."
    config.target_modules = sorted(prefix + name for name in config.target_modules or ())
    config.task_type = _task_type(model)
    if config.task_type is None:  # AutoPeftModel then goes by the class
        kind = type(model.base)
        config.auto_mapping = {"base_model_class": kind.__name__, "parent_library": kind.__module__}
    config.base_model_name_or_path, config.revision = base, revision
    config.inference_mode = True
    config.save_pretrained(str(folder))
    renamed = {
        f"{root}{prefix}{name.removeprefix(root)}": value.detach().cpu().contiguous()
        for name, value in tensors.items()
    }
    save_file(renamed, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _task_type(model: CutModel) -> TaskType | None:
    """None for pictures: peft's own class for features hands them what texts alone have."""
    if isinstance(model, LanguageModel):
        return TaskType.CAUSAL_LM
    return TaskType.FEATURE_EXTRACTION if isinstance(model, Backbone) else None


def _write_head(
    folder: Path, head: CosineHead, model: CutModel, labels: tuple[str, ...], spec: RunSpec
) -> dict[str, Any]:
    tensors = {"weight": head.weight, "bias": head.bias, "centre": head.centre}
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        folder / "head.safetensors",
        metadata={"format": "pt"},
    )
    told = {"labels": list(labels), "scale": SCALE, "pooling": _pooling(model)}
    if isinstance(model, Backbone):
        told["max_tokens"] = min(spec.train.max_tokens, model.max_tokens)
    (folder / "head.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), "utf-8")
    return told


def _pooling(model: CutModel) -> str:
    """How a sample's vector comes of its last hidden states; the model card has the code."""
    if isinstance(model, ImageBackbone):
        return model.pooling
    return "last" if isinstance(model, Backbone) and model.is_causal else "mean"


def main() -> None:
    """Read {plan, folder}; say on stdout, in JSON, what was written or why nothing was."""
    task = json.load(sys.stdin)
    said, sys.stdout = sys.stdout, sys.stderr  # libraries print
    try:
        told = write_adapter(SegmentPlan.model_validate(task["plan"]), Path(task["folder"]))
    except Refusal as err:
        told = {"refused": str(err)}
    json.dump(told, said)


if __name__ == "__main__":
    main()
