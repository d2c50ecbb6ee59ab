"""The stock arm of prompts with answers, in a process of its own: `python -m trainer.bench.stock_language`.

Supervised fine-tuning as the Hugging Face documentation has a user write it: Trainer and peft, float32,
dynamic padding, the rate falling to 0, labels of -100 on prompts, LoRA on all linear layers of the
upper half of the model, as our own arms have it. What differs from the defaults stands in the constants
below, and says why. Reads a `Task` as JSON from its standard input and writes what came out as JSON to
a file.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch._dynamo  # else the first optimiser step imports it, on the run's clock
from datasets import Dataset
from peft import LoraConfig, TaskType, get_peft_model
from pydantic import BaseModel, ConfigDict
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from trainer.bench.stock import Clock, Evaluator
from trainer.files import write_whole
from trainer.language import Dialogue, Reader

LEARNING_RATE = 8e-3
"""The default, 5e-5, is meant for full fine-tuning: with LoRA it learns next to nothing in three
epochs. On a pool of no reported seed the held-out answers end at 3.23 nats with 4e-3, 3.16 with 8e-3,
3.16 with 1.6e-2 and 5.44 with 3.2e-2."""
BATCH_SIZE = 16
LORA_RANK, LORA_ALPHA = 16, 32
LORA_TARGETS = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
]  # fmt: skip
IGNORED = -100
"""The label of tokens that no loss is taken on."""
EVALUATION_BATCH = 32
TRAIN_COST = 2.2
"""Forwards that training on a sample costs, as our own arms are charged."""


class Task(BaseModel):
    """What is to be trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str  # with pool and test rows
    model: str  # folder of the pretrained model
    epochs: float
    max_tokens: int
    seed: int
    evaluations: int
    learning_rate: float = LEARNING_RATE
    out: str


def carry_out(task: Task) -> dict[str, Any]:
    """Curve and costs of the run; tokens are of prompts and answers, padding left out.

    CPU seconds run from the first token read to the last step, without imports, model load and
    evaluations.
    """
    torch.set_num_threads(1)
    began = time.process_time()
    tokenizer, model = load(task.model, task.seed)
    load_s = time.process_time() - began
    reader = Reader(tokenizer, task.max_tokens)
    test = _dialogues(Path(task.folder) / "test.jsonl", reader)
    clock = Clock()
    pool = _dialogues(Path(task.folder) / "pool.jsonl", reader)
    total = task.epochs * len(pool)
    marks = [round(total * i / task.evaluations) for i in range(task.evaluations)]

    def measure(model: Any, state: TrainerState, samples: int, spent: float) -> dict[str, float]:
        return {
            "samples": samples, "tokens": int(state.num_input_tokens_seen), "cpu_s": spent,
            "forwards": TRAIN_COST * samples, "metric": math.exp(-answer_nats(model, test)),
        }  # fmt: skip

    evaluator = Evaluator(clock, marks, len(pool), measure)
    with TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=_arguments(folder, task),
            train_dataset=Dataset.from_list([_row(one) for one in pool]),
            data_collator=DataCollatorForSeq2Seq(tokenizer),  # pads labels with -100
            callbacks=[evaluator],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return {
        "curve": evaluator.curve, "cpu_s": clock.spent(), "load_s": load_s,
        "samples": evaluator.samples, "tokens": evaluator.curve[-1]["tokens"],
        "forwards": TRAIN_COST * evaluator.samples, "is_flat": False, "score_s": 0.0,
    }  # fmt: skip


def load(model: str, seed: int) -> tuple[Any, Any]:
    """(tokenizer, language model with LoRA on all linear layers of its upper half).

    Raises:
        OSError: it cannot be loaded.
    """
    set_seed(seed)  # LoRA's A matrices are drawn before Trainer seeds anything
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    whole = AutoModelForCausalLM.from_pretrained(
        model,
        dtype=torch.float32,
        trust_remote_code=False,
        use_safetensors=True,  # never a pickle
    )
    n_layers = whole.config.num_hidden_layers
    lora = LoraConfig(
        task_type=TaskType.CAUSAL_LM, r=LORA_RANK, lora_alpha=LORA_ALPHA,
        target_modules=LORA_TARGETS, layers_to_transform=list(range(n_layers // 2, n_layers)),
    )  # fmt: skip
    return tokenizer, get_peft_model(whole, lora)


def _arguments(folder: str, task: Task) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=task.epochs,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=task.learning_rate,
        seed=task.seed,
        include_num_input_tokens_seen="non_padding",
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),  # the default warns where there is no GPU
    )


def _dialogues(path: Path, reader: Reader) -> list[Dialogue]:
    """The rows of a file as our own arms read them; what is too long is left out."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    read = (reader.read([{"role": "user", "content": r["prompt"]}], r["answer"]) for r in rows)
    return [one for one in read if one is not None]


def _row(one: Dialogue) -> dict[str, list[int]]:
    labels = [IGNORED] * one.answer + list(one.ids[one.answer :])
    return {"input_ids": list(one.ids), "attention_mask": [1] * len(one.ids), "labels": labels}


@torch.inference_mode()
def answer_nats(model: Any, dialogues: Sequence[Dialogue]) -> float:
    """Mean loss of a token of some answers, in nats; leaves the model in the mode it was in."""
    was_training = model.training
    model.eval()
    order = sorted(range(len(dialogues)), key=lambda i: len(dialogues[i].ids))
    nats, tokens = 0.0, 0
    for first in range(0, len(order), EVALUATION_BATCH):
        some = [_row(dialogues[i]) for i in order[first : first + EVALUATION_BATCH]]
        width = max(len(row["input_ids"]) for row in some)

        def padded(key: str, filler: int, some: Any = some, width: int = width) -> torch.Tensor:
            rows = [row[key] + [filler] * (width - len(row[key])) for row in some]
            return torch.tensor(rows, device=model.device)

        labels = padded("labels", IGNORED)[:, 1:]
        logits = model(
            input_ids=padded("input_ids", 0), attention_mask=padded("attention_mask", 0)
        ).logits[:, :-1]
        nats += float(
            torch.nn.functional.cross_entropy(
                logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="sum"
            )
        )
        tokens += int((labels != IGNORED).sum())
    model.train(was_training)
    return nats / tokens


if __name__ == "__main__":
    order = Task.model_validate_json(sys.stdin.read())
    write_whole(Path(order.out), json.dumps(carry_out(order)))
