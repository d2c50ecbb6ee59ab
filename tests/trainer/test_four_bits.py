"""Frozen weights in four bits, by bitsandbytes itself, which also computes on a CPU."""

from __future__ import annotations

import pytest
import torch
from peft import AutoPeftModelForCausalLM
from transformers import LlamaConfig, LlamaForCausalLM

from tests.conftest import save_word_tokenizer
from tests.trainer.plans import ASK, Arm, plan_of, pool_ids, votes
from trainer import language
from trainer.adapter import write_adapter
from trainer.language import load_language_model
from trainer.spec import LoraSpec
from trainer.tasks.counting import weights_of

pytest.importorskip(
    "bitsandbytes", reason="four bits need bitsandbytes: pip install 'joulery[cuda]'"
)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    """Without its packed weights for inference alone, through which nothing can be learnt."""
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)
    monkeypatch.setattr(language, "_four_bits", lambda: language.nf4({"": "cpu"}))


@pytest.fixture
def model(tmp_path):
    """A random Llama whose layers are as wide as its kernels for CPUs want them."""
    folder = tmp_path / "llama"
    folder.mkdir()
    words = save_word_tokenizer(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=words, hidden_size=64, num_hidden_layers=3, num_attention_heads=2,
            intermediate_size=128, max_position_embeddings=64, tie_word_embeddings=True,
            pad_token_id=0, bos_token_id=None, eos_token_id=1,
        )
    ).save_pretrained(folder)  # fmt: skip
    return str(folder)


def test_packed_weights_count_as_what_they_stand_for(model):
    packed, plain = (
        load_language_model(model, None, LoraSpec(r=2), 0, in_4bit=in_4bit)[0]
        for in_4bit in (True, False)
    )

    kept = [p for p in packed.parameters() if p.dtype == torch.uint8]
    assert len(kept) == 21
    assert weights_of(packed) == weights_of(plain)


@pytest.mark.parametrize("kind", ["causal-lm", "preference"])
def test_a_run_on_four_bits_learns_pauses_and_leaves_its_adapter(
    model, answers_spec, pairs_spec, tmp_path, kind
):
    make = answers_spec if kind == "causal-lm" else pairs_spec
    spec = make(model=model, quantize="4bit")
    said = votes(pool_ids(spec)[::3], 0.9)
    whole, halves = (Arm(spec, tmp_path / name, opinions=said) for name in ("whole", "halves"))

    whole.go(1.0)
    halves.go(0.5, questions=ASK)
    report = halves.go(1.0)

    assert whole.weights == halves.weights
    assert report.evaluations[-1].loss < halves.reports[0].evaluations[1].loss
    plan = plan_of(spec, tmp_path / "halves", checkpoint=report.checkpoint.path)
    write_adapter(plan, tmp_path / "out")
    tuned = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "out"))
    assert all(p.abs().sum() > 0 for n, p in tuned.named_parameters() if "lora_B" in n)
