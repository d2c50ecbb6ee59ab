"""Code for model cards: how others run what was trained. Pure; a test runs each of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainer.kinds import KINDS

_CAUSAL = """\
```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

model = AutoPeftModelForCausalLM.from_pretrained(folder).eval()
tokenizer = AutoTokenizer.from_pretrained({base!r})
```"""
_HEAD = """\
```python
import json
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel, {companion}

base = {base!r}
model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder).eval()
reader = {companion}.from_pretrained(base)
head = load_file(f"{{folder}}/head.safetensors")
about = json.loads(Path(folder, "head.json").read_text(encoding="utf-8"))

with torch.inference_mode():
    {read}
    hidden = model(**batch).last_hidden_state
    {pool}
    unit = torch.nn.functional.normalize(vectors - head["centre"], dim=1)
    logits = about["scale"] * (unit @ head["weight"].T + head["bias"])
labels = [about["labels"][i] for i in logits.argmax(1)]
```"""
_READ = {
    "texts": 'reader.padding_side, reader.pad_token = "right", reader.pad_token or '
    "reader.eos_token\n"
    '    batch = reader(texts, padding=True, truncation=True, max_length=about["max_tokens"], '
    'return_tensors="pt")',
    "images": 'batch = reader(pictures, return_tensors="pt")',
}
_POOL = {
    ("texts", "mean"): 'mask = batch["attention_mask"].unsqueeze(-1)\n'
    "    vectors = (hidden * mask).sum(1) / mask.sum(1)",
    ("texts", "last"): 'last = batch["attention_mask"].sum(1) - 1\n'
    "    vectors = hidden[torch.arange(len(hidden)), last]",
    ("images", "first"): "vectors = hidden[:, 0]",
    ("images", "mean"): "vectors = hidden.flatten(2).mean(2) if hidden.dim() == 4 "
    "else hidden.mean(1)",
}


def usage(task: str, written: Mapping[str, Any]) -> str:
    """The code, with a word on what it needs.

    Args:
        task: of the spec.
        written: what `trainer.adapter` says it wrote.
    """
    if "head" not in written:
        return f"`folder` is where this file lies.\n\n{_CAUSAL.format(base=written['base'])}"
    holds = KINDS[task].holds
    is_text = holds == "texts"
    code = _HEAD.format(
        base=written["base"],
        companion="AutoTokenizer" if is_text else "AutoImageProcessor",
        read=_READ[holds],
        pool=_POOL[holds, written["head"]["pooling"]],
    )
    given = "`texts` a list of texts" if is_text else "`pictures` a list of RGB pictures"
    return (
        f"`folder` is where this file lies, {given}. The classifier is no head that transformers "
        f"has: directions of unit vectors, in `head.safetensors`.\n\n{code}"
    )
