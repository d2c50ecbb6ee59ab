"""The pretrained causal language model: loaded safely, read once up to its cut, asked for answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
)

from trainer import toys
from trainer.activations import Inputs
from trainer.backbone import is_causal, max_tokens_of
from trainer.compute import Compute
from trainer.cut import CutModel, ModelError, load_pretrained, with_lora
from trainer.marks import Marks
from trainer.ragged import Ragged
from trainer.spec import LoraSpec

Message = Mapping[str, str]


class LanguageModel(CutModel):
    """A causal language model, LoRA on its top layers, its head as it was.

    Args:
        whole: the model with its head.
        model: its layers as peft wrapped them, in place.
        base: its layers.
        top_layers: how many of them carry LoRA.
    """

    def __init__(
        self, whole: PreTrainedModel, model: nn.Module, base: PreTrainedModel, top_layers: int
    ) -> None:
        super().__init__(model, base, top_layers)
        self._lm = [whole]  # in a list: `peft` has its layers as children already
        self.lm_head = _head_of(whole)
        self.width: int = base.config.hidden_size
        self.max_tokens = max_tokens_of(base)
        self._cap: float | None = getattr(whole.config, "final_logit_softcapping", None)

    def lower(self, ids: Tensor) -> Tensor:
        """Hidden states that enter the first LoRA layer: (batch, tokens, width).

        Right padding under causal attention needs no mask: nothing looks at what comes later.
        """
        return self.to_cut(input_ids=ids, use_cache=False)

    def upper(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """Last hidden states, computed from those at the cut by the top layers alone."""
        return self.from_cut(hidden, input_ids=ids, use_cache=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Last hidden states of the whole model."""
        return self.whole(input_ids=ids, use_cache=False)

    def logits(self, hidden: Tensor) -> Tensor:
        """What the head makes of last hidden states: float32 (..., vocabulary)."""
        weight = cast(Tensor, self.lm_head.weight)  # of fewer bits beside frozen weights of four
        logits: Tensor = self.lm_head(hidden.to(weight.dtype)).float()
        return self._cap * torch.tanh(logits / self._cap) if self._cap else logits

    @torch.inference_mode()
    def write(self, ids: Tensor, *, limit: int, end: int | None) -> Tensor:
        """The likeliest answer to one prompt, token by token: int64 (at most `limit`,).

        Args:
            ids: int64 (tokens,), the prompt.
            limit: tokens after which it is cut.
            end: the token that ends it.
        """
        written: Tensor = self._lm[
            0
        ].generate(  # type: ignore[operator]
            ids[None],
            attention_mask=torch.ones_like(ids)[None],
            max_new_tokens=limit,
            do_sample=False,
            pad_token_id=end,
            eos_token_id=end,
        )[0, len(ids) :]
        return written


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Prompts and answers as a model reads them.

    Attributes:
        ids: int64 tokens of prompt and answer.
        answer: where the answer begins among them.
    """

    ids: tuple[int, ...]
    answer: int


class Answers(Inputs):
    """Answers to prompts, and how probable the model finds them.

    What comes out is the log-probability of each answer, in nats, and whether the model would have
    written it (1, else 0): whether each of its tokens was the likeliest next.

    Args:
        model: what reads them.
        dialogues: prompts with their answers.
        compute: where and how precisely.
    """

    def __init__(
        self, model: LanguageModel, dialogues: Sequence[Dialogue], compute: Compute
    ) -> None:
        self._ids = Ragged.from_lists([d.ids for d in dialogues])
        self._start = torch.tensor([d.answer for d in dialogues], dtype=torch.int64)
        self._language = model
        super().__init__(model, self._ids.offsets, compute, n_out=2)
        self.answer_tokens: np.ndarray = self.lengths - self._start.numpy()
        """Tokens of each answer: int64 (n,)."""
        self._is_kept = np.zeros(len(self), bool)

    def digest(self) -> bytes:
        """Equal for the same tokens in the same order."""
        sha = hashlib.sha256(self._ids.values.numpy().tobytes())
        sha.update(self._ids.offsets.numpy().tobytes() + self._start.numpy().tobytes())
        return sha.digest()

    def missing(self, index: np.ndarray) -> np.ndarray:
        """Those whose hidden states are not kept: int64 (k,); none where nothing can be kept."""
        if self.hidden is None and not self.can_cache:
            nothing: np.ndarray = index[:0]
            return nothing
        missing: np.ndarray = index[~self._is_kept[index]]
        return missing

    def read(self, index: np.ndarray) -> None:
        """Keep the hidden states of some answers."""
        self.fill(Marks(), "", index)  # a batch at a time: no progress to tell
        self._is_kept[index] = True

    def log_probabilities(self, index: np.ndarray) -> Tensor:
        """Of whole answers by the model as it stands: float32 (batch,), nats."""
        return self.outputs(index)[:, 0]

    def _tokens(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = self._ids.batch(index)
        return ids.to(self.compute.device), mask

    def _to_cut(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        ids, mask = self._tokens(index)
        return self._language.lower(ids), mask

    def _from_cut(self, index: np.ndarray, hidden: Tensor) -> Tensor:
        ids, mask = self._tokens(index)
        return self._scored(index, ids, mask, self._language.upper(hidden, ids))

    def _whole(self, index: np.ndarray) -> Tensor:
        ids, mask = self._tokens(index)
        return self._scored(index, ids, mask, self._language(ids))

    def _scored(self, index: np.ndarray, ids: Tensor, mask: Tensor, hidden: Tensor) -> Tensor:
        """Sums over answers; the head runs where an answer's tokens are foretold and nowhere else."""
        start = self._start[torch.from_numpy(np.ascontiguousarray(index))]
        place = torch.arange(ids.shape[1])
        is_answer = mask & (place[None, :] >= start[:, None])
        row, column = is_answer.nonzero(as_tuple=True)
        row, column = row.to(ids.device), column.to(ids.device)
        logits, told = self._language.logits(hidden[row, column - 1]), ids[row, column]
        each = -F.cross_entropy(logits, told, reduction="none")
        total = torch.zeros(len(index), device=ids.device).index_add(0, row, each)
        missed = torch.zeros_like(total).index_add(0, row, (logits.argmax(1) != told).float())
        return torch.stack([total, (missed == 0).float()], dim=1)


class Reader:
    """Turns prompts and answers into tokens, with the model's chat template where it has one.

    Args:
        tokenizer: of the model.
        max_tokens: of prompt and answer together; longer prompts lose their beginning.
    """

    def __init__(self, tokenizer: Any, max_tokens: int) -> None:
        self._tokenizer, self.max_tokens = tokenizer, max_tokens

    @property
    def end(self) -> int | None:
        """The token that ends an answer."""
        end: int | None = self._tokenizer.eos_token_id
        return end

    def read(self, messages: Sequence[Message], answer: str) -> Dialogue | None:
        """A prompt with its answer; None where the answer alone is too long.

        Args:
            messages: the chat so far, each with `role` and `content`.
            answer: what the model is to say next.
        """
        prompt = self.prompt(messages)
        said = self._said(messages, answer, prompt)
        room = self.max_tokens - len(said)
        if room < 1:
            return None
        kept = prompt[-room:]
        return Dialogue((*kept, *said), len(kept))

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The tokens before an answer."""
        if self._tokenizer.chat_template:
            return self._templated(messages, add_generation_prompt=True)
        text = "\n".join(m["content"] for m in messages)
        ids: list[int] = self._tokenizer(f"{text}\n")["input_ids"]
        end = self._tokenizer.eos_token_id
        return ids[:-1] if len(ids) > 1 and ids[-1] == end else ids

    def _said(self, messages: Sequence[Message], answer: str, prompt: list[int]) -> list[int]:
        """The tokens of an answer, with what ends it."""
        if self._tokenizer.chat_template:
            turn = {"role": "assistant", "content": answer}
            whole = self._templated([*messages, turn], add_generation_prompt=False)
            if whole[: len(prompt)] == prompt:
                return whole[len(prompt) :]
        ids: list[int] = self._tokenizer(answer, add_special_tokens=False)["input_ids"]
        return ids if self.end is None else [*ids, self.end]

    def _templated(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> list[int]:
        ids: list[int] = self._tokenizer.apply_chat_template(
            list(messages),
            add_generation_prompt=add_generation_prompt,
            tokenize=True,
            return_dict=True,
        )["input_ids"]
        return ids

    def text(self, ids: Tensor) -> str:
        """Tokens as people read them."""
        found: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return found.strip()


def load_language_model(
    model: str, revision: str | None, lora: LoraSpec, seed: int, *, in_4bit: bool = False
) -> tuple[LanguageModel, Any]:
    """(causal language model with fresh LoRA weights, tokenizer).

    Args:
        model: hub id, folder, or `toy`.
        revision: hub commit.
        lora: which weights may move.
        seed: of the LoRA weights.
        in_4bit: whether the frozen weights are kept in four bits.

    Raises:
        ModelError: unknown or unsafe model, or LoRA settings that do not fit it.
    """
    path = str(toys.toy_language_model()) if model == "toy" else model
    how = _four_bits() if in_4bit else {}
    whole, tokenizer = load_pretrained(
        model, path, revision, AutoTokenizer, "toy", auto=AutoModelForCausalLM, how=how
    )
    base = cast(PreTrainedModel, whole.base_model)
    if base is whole or not is_causal(base):
        raise ModelError(f"{model!r} is no causal language model; give one, or toy")
    wrapped, top = with_lora(base, lora, seed, model)
    found = LanguageModel(whole, wrapped, base, top)
    _refuse_another_head(found, whole, model)
    return found, tokenizer


def _four_bits() -> dict[str, Any]:
    """What `nf4` says, where it can be had."""
    if not torch.cuda.is_available():
        raise ModelError(
            "quantize = '4bit' needs a CUDA device, and there is none here; set quantize: none"
        )
    if find_spec("bitsandbytes") is None:
        raise ModelError("quantize = '4bit' needs bitsandbytes; run: pip install 'joulery[cuda]'")
    return nf4({"": 0})


def nf4(device_map: dict[str, int | str]) -> dict[str, Any]:
    """Options of a model whose frozen weights take four bits each (QLoRA, Dettmers et al. 2023)."""
    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    return {"quantization_config": config, "dtype": torch.bfloat16, "device_map": device_map}


def _head_of(whole: PreTrainedModel) -> nn.Module:
    head: nn.Module = whole.get_output_embeddings()  # type: ignore[no-untyped-call]
    return head


@torch.inference_mode()
def _refuse_another_head(found: LanguageModel, whole: PreTrainedModel, model: str) -> None:
    """Some models do more between layers and logits than their head: then ours would be wrong."""
    found.eval()
    whole.eval()  # type: ignore[no-untyped-call]
    ids = torch.arange(1, 5, device=whole.device)[None]
    ours, theirs = found.logits(found(ids)), whole(input_ids=ids, use_cache=False).logits.float()
    if not torch.allclose(ours, theirs, atol=1e-3 * float(theirs.abs().max())):
        raise ModelError(
            f"{model!r} scales its logits in a way that is not known here; give another model"
        )
