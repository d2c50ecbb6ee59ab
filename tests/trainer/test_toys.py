"""Small models for machines without a hub: what they have read, and that they load as any other.

Training one takes a minute or more, so it is left to whoever runs an example; here it is one of a
few steps.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from trainer import toys
from trainer.data import api_prose
from trainer.data.api_prose import library_questions
from trainer.data.duplicates import fingerprint
from trainer.data.stdlib_prompts import about_areas, about_other_modules


@pytest.fixture(autouse=True)
def hardly_schooled(monkeypatch, tmp_path):
    """A cache of its own, few libraries to read about and few steps."""
    monkeypatch.setattr(toys, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(toys, "SCHOOLING", replace(toys.SCHOOLING, steps=3, width=32, layers=2))
    monkeypatch.setattr(api_prose, "LIBRARIES", ("yaml", "psutil", "typer"))


def test_the_toy_loads_as_any_language_model_and_ends_its_answers():
    folder = toys.toy_language_model()

    model, tokenizer = (
        auto.from_pretrained(folder) for auto in (AutoModelForCausalLM, AutoTokenizer)
    )
    asked = {"role": "user", "content": "What does len do?"}
    prompt = tokenizer.apply_chat_template([asked], add_generation_prompt=True, tokenize=False)
    said = {"role": "assistant", "content": "Counts."}
    whole = tokenizer.apply_chat_template([asked, said], tokenize=False)

    assert [file.name for file in folder.glob("*.safetensors")] == ["model.safetensors"]
    assert prompt == "<s>Q: What does len do?\nA:\n"
    assert whole == f"{prompt}Counts.</s>"
    assert tokenizer.decode(tokenizer.encode("naïve 🍐\n x")) == "naïve 🍐\n x"
    ids = tokenizer(whole, return_tensors="pt")["input_ids"]
    assert ids[0, -1] == tokenizer.eos_token_id == model.config.eos_token_id
    assert model(input_ids=ids).logits.shape == (1, ids.shape[1], len(tokenizer))


def test_the_toy_is_trained_once(monkeypatch):
    folder = toys.toy_language_model()
    monkeypatch.setattr(toys, "trained", None)

    assert toys.toy_language_model() == folder
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_it_reads_holds_no_answer_that_it_may_be_asked_for():
    asked = {fingerprint(answer) for _, answer in (*about_areas(), *about_other_modules())}

    read = library_questions()

    assert len(read) > 50
    assert not {fingerprint(answer) for _, answer in read} & asked
    assert not {fingerprint(text) for text in api_prose.prose()} & asked


def test_the_language_reference_comes_in_paragraphs():
    prose = api_prose.prose()

    assert len(prose) > 500
    assert len(set(prose)) == len(prose)
    assert all(len(text.split()) >= api_prose.LEAST_WORDS for text in prose)


def test_a_file_that_cannot_be_parsed_is_passed_over(tmp_path: Path):
    path = tmp_path / "template.py"
    path.write_text("def {{ name }}(): pass", encoding="utf-8")

    assert list(api_prose._docstrings_in(path, "module")) == []
