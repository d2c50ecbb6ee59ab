"""The peft folder of a checkpoint: libraries that know nothing of us load it, and it says the same."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import AutoPeftModel, AutoPeftModelForCausalLM, AutoPeftModelForFeatureExtraction
from PIL import Image
from safetensors.torch import load_file

from bot.export.snippets import usage
from tests.trainer.plans import Arm, learner_of, plan_of
from tests.trainer.test_image_classification import COLOURS, picture, saved
from trainer import activations
from trainer.adapter import write_adapter
from trainer.desk import Desk
from trainer.marks import Marks
from trainer.segment import Refusal


def trained(spec, folder):
    """(checkpoint of a trained arm, its learner at the best weights, made by our own way)."""
    arm = Arm(spec, folder)
    arm.go(1.0)
    checkpoint = Path(arm.reports[-1].checkpoint.path)
    # so small a run is best before its first step: let it be its last weights that are
    shutil.copy(checkpoint / "weights.safetensors", checkpoint / "best.safetensors")
    plan = plan_of(spec, folder, until=0, checkpoint=str(checkpoint))
    learner = learner_of(spec, folder)
    Desk(plan, learner, Marks())
    best = activations.load(checkpoint / "best.safetensors")
    with torch.no_grad():
        for group, members in learner.trainable().items():
            for name, parameter in members.items():
                parameter.copy_(best[f"{group}.{name}"])
    return plan, learner


def by_card(task, told, **given):
    """What the model card's code computes."""
    code = re.search(r"```python\n(.*?)```", usage(task, told), re.DOTALL)[1]
    names = dict(given)
    exec(compile(code, "card", "exec"), names)
    return names


@pytest.mark.parametrize("layers", ["half", "all"])
def test_a_text_classifier_says_the_same_by_the_cards_own_code(tiny_spec, tmp_path, layers):
    spec = tiny_spec(lora={"top_layers": layers})
    plan, learner = trained(spec, tmp_path / "arm")
    told = write_adapter(plan, tmp_path / "out")

    texts = [sample.text for sample in learner.splits.dev]
    found = by_card("text-classification", told, folder=str(tmp_path / "out"), texts=texts)

    with torch.inference_mode():
        ours = learner.head(learner._vectors_of("dev"))
    torch.testing.assert_close(found["logits"], ours, atol=2e-5, rtol=1e-4)
    assert found["labels"] == [learner.splits.labels[i] for i in ours.argmax(1)]
    assert np.mean([a == s.label for a, s in zip(found["labels"], learner.splits.dev, strict=True)]
                   ) == pytest.approx(learner.evaluate("dev"))  # fmt: skip


def test_what_is_written_is_a_peft_folder_and_nothing_else(tiny_spec, tmp_path):
    plan, _ = trained(tiny_spec(), tmp_path / "arm")
    told = write_adapter(plan, tmp_path / "out")

    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "head.json", "head.safetensors",
    }  # fmt: skip
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["task_type"]) == ("LORA", "FEATURE_EXTRACTION")
    assert config["base_model_name_or_path"] == told["base"] == plan.spec.model
    assert config["inference_mode"] is True
    assert all("lora_" in name for name in load_file(tmp_path / "out/adapter_model.safetensors"))
    model = AutoPeftModelForFeatureExtraction.from_pretrained(str(tmp_path / "out"))
    moved = [p for n, p in model.named_parameters() if "lora_B" in n]
    assert moved
    assert all(p.abs().sum() > 0 for p in moved)  # B is 0 before training


@pytest.mark.parametrize("kind", ["answers_spec", "pairs_spec"])
def test_a_language_model_gives_the_same_log_probabilities(request, tmp_path, kind):
    spec = request.getfixturevalue(kind)()
    plan, learner = trained(spec, tmp_path / "arm")
    told = write_adapter(plan, tmp_path / "out")

    model = by_card("causal-lm", told, folder=str(tmp_path / "out"))["model"]
    untuned = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "out")).eval()
    ids = torch.arange(5, 15)[None]
    with torch.inference_mode():
        learner.model.eval()
        ours = learner.model.logits(learner.model(ids))
        theirs = model(input_ids=ids).logits
        with untuned.disable_adapter():
            before = untuned(input_ids=ids).logits
    torch.testing.assert_close(theirs, ours, atol=2e-5, rtol=1e-4)
    assert (theirs - before).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["vit", "swin", "resnet"])
def test_a_picture_classifier_says_the_same_by_the_cards_own_code(tiny_spec, tmp_path, kind):
    rng = np.random.default_rng(0)
    for colour in COLOURS:
        (tmp_path / "pictures" / colour).mkdir(parents=True)
        for number in range(12):
            picture(colour, tmp_path / "pictures" / colour, number, rng)
    data = {"pool": f"imagefolder:{tmp_path / 'pictures'}", "dev": 0.3, "truth": None}
    (tmp_path / "model").mkdir()
    spec = tiny_spec(
        task="image-classification", model=saved(tmp_path / "model", kind), data=data,
        lora={"top_layers": 1},
    )  # fmt: skip
    plan, learner = trained(spec, tmp_path / "arm")
    told = write_adapter(plan, tmp_path / "out")
    pictures = [Image.open(s.image.path).convert("RGB") for s in learner.splits.dev]

    found = by_card("image-classification", told, folder=str(tmp_path / "out"), pictures=pictures)

    with torch.inference_mode():
        ours = learner.head(learner._vectors_of("dev"))
    torch.testing.assert_close(found["logits"], ours, atol=2e-4, rtol=1e-3)
    AutoPeftModel.from_pretrained(str(tmp_path / "out"))  # finds the class by itself


def test_a_checkpoint_that_is_gone_is_refused_in_one_sentence(tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(), tmp_path / "arm", until=0, checkpoint=str(tmp_path / "none"))
    (tmp_path / "arm").mkdir()

    with pytest.raises(Refusal, match="cannot read the checkpoint"):
        write_adapter(plan, tmp_path / "out")


def test_as_a_process_of_its_own_it_says_what_was_refused(tiny_spec, tmp_path):
    plan = plan_of(tiny_spec(), tmp_path / "arm", until=0, checkpoint=str(tmp_path / "none"))
    (tmp_path / "arm").mkdir()
    task = {"plan": plan.model_dump(mode="json"), "folder": str(tmp_path / "out")}

    done = subprocess.run(
        [sys.executable, "-m", "trainer.adapter"], input=json.dumps(task), text=True,
        capture_output=True, check=True,
    )  # fmt: skip

    assert "cannot read the checkpoint" in json.loads(done.stdout)["refused"]
