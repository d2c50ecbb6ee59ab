"""Small Llama models, trained from nothing on texts at hand: for machines without a hub."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from trainer.compute import computes_bfloat16

log = logging.getLogger(__name__)

START, END, PAD = "<s>", "</s>", "<pad>"
CHAT = """\
{{- bos_token }}
{%- for message in messages %}
{%- if message.role == 'assistant' %}{{ 'A:\\n' + message.content + eos_token }}
{%- elif message.role == 'user' %}{{ 'Q: ' + message.content + '\\n' }}
{%- else %}{{ message.content + '\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'A:\\n' }}{% endif %}"""
POSITIONS = 512


@dataclass(frozen=True, slots=True)
class Schooling:
    """How large a model is, and how long it is trained.

    Attributes:
        width: of its layers; heads are 64 wide at most.
        layers: how many.
        vocabulary: tokens of its byte pair encoding.
        steps: of `batch` blocks of `context` tokens.
        lr: the highest learning rate.
        is_digit_by_digit: whether numbers are read digit by digit.
    """

    width: int
    layers: int
    vocabulary: int
    context: int
    steps: int
    batch: int = 8
    lr: float = 5e-3
    is_digit_by_digit: bool = False


def trained(
    texts: Sequence[str], how: Schooling, seed: int = 0
) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """(the model, its tokenizer): a minute or some of one core.

    Args:
        texts: what it reads, in random order, again and again.
        how: how large and how long.
        seed: of its weights and of that order.
    """
    tokenizer = _tokenizer(texts, how)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=how.vocabulary, hidden_size=how.width, intermediate_size=8 * how.width // 3,
            num_hidden_layers=how.layers, num_attention_heads=4, max_position_embeddings=POSITIONS,
            tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, how.lr, total_steps=how.steps, pct_start=0.1
    )
    stream = _stream(texts, tokenizer)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=computes_bfloat16(torch.device("cpu")))
    for step in range(how.steps):
        start = torch.randint(len(stream) - how.context, (how.batch,))
        ids = stream[start[:, None] + torch.arange(how.context)]
        with autocast:
            loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            log.info("%d of %d steps, loss %.2f", step + 1, how.steps, loss.item())
    return model, tokenizer


def _tokenizer(texts: Sequence[str], how: Schooling) -> PreTrainedTokenizerFast:
    """A byte-level byte pair encoding, as GPT-2's."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if how.is_digit_by_digit:
        digits = pre_tokenizers.Digits(individual_digits=True)
        bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, bpe.pre_tokenizer])
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=how.vocabulary,
            special_tokens=[START, END, PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=bpe,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        chat_template=CHAT,
        model_max_length=POSITIONS,
    )


def _stream(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """All texts one after the other, in random order: int64 (tokens,)."""
    order = torch.randperm(len(texts))
    whole = [f"{START}{texts[i]}{END}" for i in order]
    lists = tokenizer(whole, add_special_tokens=False)["input_ids"]
    return torch.tensor([token for ids in lists for token in ids])
