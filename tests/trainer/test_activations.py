"""What the frozen layers make of every text: computed once, and the same as computing it anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import TOPICS
from trainer import activations
from trainer.activations import Texts
from trainer.backbone import load_backbone
from trainer.compute import Compute
from trainer.marks import MARK, Marks
from trainer.spec import LoraSpec

CPU = Compute(torch.device("cpu"), torch.float32)
BFLOAT16 = Compute(torch.device("cpu"), torch.bfloat16)
SAMPLES = [
    " ".join([a, "and", b, "seen", "here"][: 1 + i % 5])
    for i, (a, b) in enumerate(zip(TOPICS["fruit"] * 5, TOPICS["tools"] * 5, strict=True))
]


def texts_of(
    model: Path, samples: list[str] = SAMPLES, compute: Compute = CPU, top_layers: object = 1
) -> Texts:
    backbone, tokenizer = load_backbone(str(model), None, LoraSpec(top_layers=top_layers), seed=0)
    backbone.eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in backbone.lora_parameters().values():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return Texts(backbone, tokenizer, samples, 16, compute)


@pytest.mark.parametrize(
    ("compute", "within"), [(CPU, 1e-5), (BFLOAT16, 0.05)], ids=["float32", "bfloat16"]
)
def test_vectors_from_the_cache_are_those_of_the_whole_model(tiny_model, compute, within):
    texts = texts_of(tiny_model, compute=compute)
    anew = texts.all_outputs()

    texts.fill(Marks(), "reading the pool")

    assert texts.hidden is not None
    assert texts.hidden.values.dtype == compute.dtype
    assert torch.allclose(texts.all_outputs(), anew, atol=within)


def test_the_vector_of_a_text_does_not_depend_on_its_company(tiny_model):
    texts = texts_of(tiny_model)
    texts.fill(Marks(), "reading")

    together = texts.all_outputs()
    with torch.no_grad():
        alone = torch.cat([texts.outputs(np.array([i])) for i in range(len(texts))])

    assert torch.allclose(together, alone, atol=1e-5)


def test_some_texts_can_be_read_first_and_the_others_later(tiny_model):
    """Chunk by chunk the cache holds what it would at once; `rows` come back in their order."""
    texts, chunks = texts_of(tiny_model), texts_of(tiny_model)
    texts.fill(Marks(), "reading")
    rows = np.random.default_rng(0).permutation(len(texts))

    chunks.fill(Marks(), "reading", rows[:20])
    early = chunks.all_outputs(rows[:20])
    chunks.fill(Marks(), "reading", rows[20:])

    whole = texts.all_outputs()
    assert torch.allclose(early, whole[rows[:20]], atol=1e-5)
    assert torch.allclose(chunks.all_outputs(), whole, atol=1e-5)
    assert torch.allclose(chunks.all_outputs(rows), whole[rows], atol=1e-5)


def test_with_lora_on_all_layers_nothing_can_be_kept(tiny_model):
    texts = texts_of(tiny_model, top_layers="all")

    texts.fill(Marks(), "reading")

    assert texts.hidden is None
    assert texts.trained_share == 1


def test_a_cached_forward_runs_through_the_top_layers_alone(tiny_model):
    texts = texts_of(tiny_model)
    assert texts.trained_share == 1

    texts.fill(Marks(), "reading")

    assert texts.trained_share == 0.5


def test_reading_says_how_far_it_is(tiny_model):
    heard = []
    texts = texts_of(tiny_model)

    texts.fill(Marks(lambda line: heard.append(MARK.validate_json(line))), "reading the pool")

    assert {mark.what for mark in heard} == {"reading the pool"}
    assert (heard[-1].done, heard[-1].total) == (len(SAMPLES), len(SAMPLES))


def test_longer_texts_are_cut_and_empty_ones_have_a_token(tiny_model):
    texts = texts_of(tiny_model, ["apple " * 10_000, "", "fig"])

    assert texts.ids.lengths.tolist() == [16, 2, 3]
    assert texts.all_outputs().isfinite().all()


def test_no_texts_are_no_problem(tiny_model):
    texts = texts_of(tiny_model, [])
    texts.fill(Marks(), "reading")

    assert texts.all_outputs().shape == (0, 32)


def test_gradients_reach_lora_through_the_cache_and_nothing_else(tiny_model):
    texts = texts_of(tiny_model)
    texts.fill(Marks(), "reading")

    texts.outputs(np.arange(4)).square().sum().backward()

    moved = {n for n, p in texts.backbone.named_parameters() if p.grad is not None}
    assert moved
    assert all("lora_" in name for name in moved)


def test_tensors_survive_a_round_trip_to_disk(tmp_path):
    tensors = {
        "a": torch.randn(3, 4).T, "b": torch.arange(5), "c": torch.randn(2).bfloat16(),
    }  # fmt: skip

    activations.save(tmp_path / "x.safetensors", tensors)

    back = activations.load(tmp_path / "x.safetensors")
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[k], tensors[k]) and back[k].dtype == v.dtype
               for k, v in tensors.items())  # fmt: skip
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
