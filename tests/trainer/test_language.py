"""Language models: what they say of answers is what transformers says, cut or whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.conftest import save_word_tokenizer
from trainer.compute import Compute
from trainer.cut import ModelError
from trainer.language import Answers, Dialogue, LanguageModel, Reader, load_language_model
from trainer.spec import LoraSpec

CPU = Compute(torch.device("cpu"), torch.float32)
PROMPTS = ("name a fruit", "name the old red tools", "what is near a storm")
ANSWERS = ("apple pear", "saw", "rain and snow today here")


def chat(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def saved(folder: Path, kind: str) -> str:
    """A random model of another family, beside the words' tokenizer."""
    import transformers as hf

    words = save_word_tokenizer(folder)
    sizes = {"vocab_size": words, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": 1}
    layers = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64,
    }  # fmt: skip
    torch.manual_seed(0)
    model = {
        "gpt2": lambda: hf.GPT2LMHeadModel(
            hf.GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=64, **sizes)
        ),
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**layers, **sizes)),
        "gemma2": lambda: hf.Gemma2ForCausalLM(
            hf.Gemma2Config(head_dim=16, final_logit_softcapping=0.5, **layers, **sizes)
        ),
        "granite": lambda: hf.GraniteForCausalLM(
            hf.GraniteConfig(logits_scaling=8.0, **layers, **sizes)
        ),
    }[kind]()
    model.save_pretrained(folder)
    return str(folder)


def read(path: str, top_layers: int | str = 1) -> tuple[LanguageModel, Reader, Answers]:
    lora = LoraSpec(r=2, top_layers=top_layers)
    model, tokenizer = load_language_model(path, None, lora, seed=0)
    model.eval()
    reader = Reader(tokenizer, 32)
    dialogues = [reader.read(chat(p), a) for p, a in zip(PROMPTS, ANSWERS, strict=True)]
    return model, reader, Answers(model, dialogues, CPU)


def by_transformers(path: str) -> list[float]:
    """Log-probability of each answer, one at a time, with the whole head."""
    model = AutoModelForCausalLM.from_pretrained(path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    found = []
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):
        turns = [*chat(prompt), {"role": "assistant", "content": answer}]
        begun = tokenizer.apply_chat_template(
            chat(prompt), add_generation_prompt=True, return_dict=True
        )["input_ids"]
        ids = tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
        with torch.inference_mode():
            log_p = F.log_softmax(model(torch.tensor([ids])).logits[0], dim=-1)
        found.append(sum(float(log_p[i - 1, ids[i]]) for i in range(len(begun), len(ids))))
    return found


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "gemma2"])
def test_answers_are_as_probable_as_transformers_says(kind, tiny_language_model, tmp_path):
    path = str(tiny_language_model) if kind == "llama" else saved(tmp_path, kind)

    _, _, answers = read(path)

    index = np.arange(3)
    with torch.inference_mode():
        anew = answers.log_probabilities(index)
        answers.read(index)
        kept = answers.log_probabilities(index)
    assert anew.tolist() == pytest.approx(by_transformers(path), abs=2e-4)
    assert torch.allclose(kept, anew, atol=2e-4)
    assert answers.hidden is not None


def test_a_batch_changes_nothing(tiny_language_model):
    _, _, answers = read(str(tiny_language_model), "all")
    with torch.inference_mode():
        alone = torch.cat([answers.log_probabilities(np.array([i])) for i in range(3)])
        together = answers.log_probabilities(np.array([2, 0, 1]))
    assert torch.allclose(together, alone[[2, 0, 1]], atol=1e-4)
    assert answers.answer_tokens.tolist() == [3, 2, 6]  # the words, and the end


def test_an_answer_is_exact_where_it_is_what_the_model_writes(tiny_language_model):
    model, reader, _ = read(str(tiny_language_model))
    prompt = torch.tensor(reader.prompt(chat("name a fruit")))
    written = model.write(prompt, limit=4, end=None).tolist()
    other = [*written[:-1], (written[-1] + 1) % 40]

    both = [Dialogue((*prompt.tolist(), *said), len(prompt)) for said in (written, other)]
    outputs = Answers(model, both, CPU).outputs(np.arange(2))

    assert outputs[:, 1].tolist() == [1.0, 0.0]


def test_hidden_states_are_kept_once(tiny_language_model):
    _, _, answers = read(str(tiny_language_model))
    answers.read(np.array([0, 2]))
    assert answers.missing(np.array([0, 1])).tolist() == [1]
    answers.read(np.array([1]))
    assert answers.missing(np.arange(3)).tolist() == []


def test_only_lora_gets_gradients(tiny_language_model):
    model, _, answers = read(str(tiny_language_model))
    answers.read(np.arange(3))
    answers.log_probabilities(np.arange(3)).sum().backward()

    moved = [p.grad is not None for p in model.lora_parameters().values()]
    assert moved
    assert all(moved)
    assert model.lm_head.weight.grad is None


def test_a_long_prompt_loses_its_beginning_and_a_long_answer_is_refused(tiny_language_model):
    _, reader, _ = read(str(tiny_language_model))
    long = " ".join(["red"] * 40)

    found = reader.read(chat(f"{long} fruit"), "apple")

    assert found is not None
    assert len(found.ids) == 32
    assert list(found.ids[: found.answer]) == reader.prompt(chat(f"{long} fruit"))[-found.answer :]
    assert reader.read(chat("fruit"), long) is None


def test_a_tokenizer_without_a_template_reads_plain_lines(tiny_language_model, tmp_path):
    words = save_word_tokenizer(tmp_path, chat=None)
    reader = Reader(AutoTokenizer.from_pretrained(tmp_path), 32)

    found = reader.read(chat("name a fruit"), "apple pear")

    assert words > 30
    assert found is not None
    assert reader.text(torch.tensor(found.ids)) == "name a fruit apple pear"
    assert found.ids[-1] == reader.end
    assert found.answer == 3


def test_what_it_writes_ends_by_itself_or_at_the_limit(tiny_language_model):
    model, reader, _ = read(str(tiny_language_model))
    ids = torch.tensor(reader.prompt(chat("name a fruit")))

    written = model.write(ids, limit=5, end=reader.end)

    assert 1 <= len(written) <= 5
    assert torch.equal(written, model.write(ids, limit=5, end=reader.end))


def test_a_model_that_scales_its_logits_is_refused_rather_than_misread(tmp_path):
    with pytest.raises(ModelError, match="scales its logits"):
        load_language_model(saved(tmp_path, "granite"), None, LoraSpec(r=2, top_layers=1), 0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_four_bits_without_a_cuda_device_are_refused_with_the_remedy(tiny_language_model):
    with pytest.raises(ModelError, match=r"needs a CUDA device, .* set quantize: none"):
        load_language_model(
            str(tiny_language_model), None, LoraSpec(r=2, top_layers=1), 0, in_4bit=True
        )


def test_an_encoder_is_refused_with_a_remedy(tiny_model):
    with pytest.raises(ModelError, match="is no causal language model; give one, or toy"):
        load_language_model(str(tiny_model), None, LoraSpec(r=2, top_layers=1), 0)
