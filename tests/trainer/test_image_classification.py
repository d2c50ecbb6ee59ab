"""Pictures: read, cut, kept, classified, explained; by real transformers models of random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer import compute
from trainer.cut import ModelError
from trainer.data.images import ImageFile
from trainer.data.samples import Sample, Skipped, Splits
from trainer.image_backbone import load_image_backbone
from trainer.marks import Marks
from trainer.pictures import LENT, Pictures, Retouched, _enlarged, all_cells, cell_name, lending
from trainer.segment import FeatureOpinion, Opinions
from trainer.selection import whole_pool
from trainer.spec import LoraSpec, TrainSpec, parse_spec
from trainer.tasks.image_classification import ImageClassification
from trainer.tasks.registry import NOBODY

COLOURS = {"blue": (30, 40, 200), "green": (30, 180, 40), "red": (200, 30, 30)}
CPU = TrainSpec(threads=1, precision="float32")


TRANSFORMER = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip


def saved(folder: Path, kind: str) -> str:
    """The folder of a small model of random weights."""
    import transformers as hf
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    torch.manual_seed(0)
    config = {
        "vit": lambda: hf.ViTConfig(**TRANSFORMER),
        "deit": lambda: hf.DeiTConfig(**TRANSFORMER),
        "beit": lambda: hf.BeitConfig(**TRANSFORMER, use_relative_position_bias=True),
        "dinov2": lambda: hf.Dinov2Config(**TRANSFORMER),
        "swin": lambda: hf.SwinConfig(
            image_size=32, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2],
            window_size=4,
        ),
        "resnet": lambda: hf.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        ),
        "convnext": lambda: hf.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2),
    }[kind]()  # fmt: skip
    hf.AutoModel.from_config(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return str(folder)


def picture(colour: str, folder: Path, number: int, rng: np.random.Generator) -> ImageFile:
    """A noisy field of a colour, of any size."""
    side = int(rng.integers(20, 60))
    pixels = np.array(COLOURS[colour]) + rng.normal(0, 25, (side, side + 4, 3))
    path = folder / f"{colour}-{number}.png"
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return ImageFile(str(path))


@pytest.fixture
def splits(tmp_path) -> Splits:
    rng = np.random.default_rng(0)

    def some(split: str, each: int) -> tuple[Sample, ...]:
        return tuple(
            Sample(f"{split}-{c}-{i}", {"image": picture(c, tmp_path, 100 * j + i, rng)}, c, c)
            for j, c in enumerate(COLOURS)
            for i in range({"pool": 0, "dev": 50, "test": 80}[split], each)
        )

    return Splits(some("pool", 12), some("dev", 56), some("test", 86), tuple(COLOURS), Skipped())


def learner_of(
    kind: str, splits: Splits, folder: Path, opinions: Opinions = NOBODY, **lora
) -> ImageClassification:
    path = saved(folder / kind, kind)
    spec = parse_spec(
        {"name": "t", "task": "image-classification", "model": path, "data": {"pool": "csv:x"}},
        where="the test's spec",
    )
    model = load_image_backbone(path, None, LoraSpec(**lora), seed=0)
    return ImageClassification(spec, splits, model, compute.set_up(CPU), folder, opinions)


def ready(learner: ImageClassification) -> ImageClassification:
    rows = np.arange(len(learner.splits.pool))
    learner.prepare(rows, rows, Marks())
    return learner


@pytest.mark.parametrize(
    ("kind", "cut"),
    [("vit", 2), ("deit", 2), ("beit", 2), ("dinov2", 2), ("swin", 0), ("resnet", 0),
     ("convnext", 0)],
)  # fmt: skip
def test_models_of_equal_layers_are_cut_and_others_run_whole(splits, tmp_path, kind, cut):
    learner = ready(learner_of(kind, splits, tmp_path))

    assert learner._model.cut == cut
    assert (learner._pool.hidden is None) == (cut == 0)
    assert learner.trainable()["lora"]


@pytest.mark.parametrize("kind", ["vit", "deit", "beit", "dinov2"])
def test_what_is_kept_at_the_cut_changes_nothing(splits, tmp_path, kind):
    learner = ready(learner_of(kind, splits, tmp_path))
    index = np.array([5, 0, 30])

    kept = learner._pool.outputs(index)
    learner._pool.hidden = None

    assert torch.allclose(kept, learner._pool.outputs(index), atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "swin", "resnet", "convnext"])
def test_a_head_start_tells_colours_apart_and_training_moves_the_weights(splits, tmp_path, kind):
    learner = ready(learner_of(kind, splits, tmp_path))
    chosen = whole_pool(learner.view(np.arange(len(splits.pool))))

    learner.start(chosen)
    assert learner.evaluate("test") > 0.9
    learner.set_out()
    losses = learner.losses(
        np.arange(8), whole_pool(learner.view(np.arange(len(learner.splits.pool))))
    )
    losses.mean().backward()

    assert losses.shape == (8,)
    moved = [p.grad is not None and bool(p.grad.abs().sum() > 0)
             for p in learner.trainable()["lora"].values()]  # fmt: skip
    assert any(moved)
    assert learner.view(np.arange(5)).names is None


def test_people_are_shown_a_picture_of_our_own_making(splits, tmp_path):
    learner = ready(learner_of("vit", splits, tmp_path))

    view = learner.sample_view(3, 1)

    assert (view.text, view.label, view.sample_id) == ("", "green", splits.pool[3].sample_id)
    assert view.image_path is not None
    shown = Path(view.image_path)
    assert shown.parent == tmp_path / "pictures"
    with Image.open(shown) as seen, Image.open(splits.pool[3].fields["image"].path) as original:
        assert view.image_side == max(original.size)
        assert (seen.format, seen.mode, seen.size) == ("PNG", "RGB", original.size)
    assert learner.sample_view(3, 0).image_path == view.image_path


def test_the_cell_that_is_looked_at_has_the_largest_share(splits, tmp_path):
    """A model whose score is the brightness of one cell looks there alone."""
    learner = ready(learner_of("vit", splits, tmp_path))
    pictures = learner._pictures

    class Bright:
        def __call__(self, pixels):
            return pixels

        @staticmethod
        def pool(pixels):
            return pixels[:, :, 8:16, 16:24].mean(dim=(2, 3))  # the second row, the third column

        def pixels(self, opened):
            noise = np.random.default_rng(0).random((len(opened), 3, 32, 32))
            return torch.from_numpy(noise).float()

    pictures.backbone = Bright()
    pictures._read = {}

    shares = pictures.cell_shares(np.arange(4), lambda z: z.sum(dim=1))

    assert shares.shape == (4, 4, 4)
    assert np.allclose(shares.sum(axis=(1, 2)), 1)
    assert np.allclose(shares[:, 1, 2], 1)
    assert cell_name(1, 2) == "C2"


def test_features_are_cells_and_known_ones_are_left_out(splits, tmp_path):
    learner = ready(learner_of("vit", splits, tmp_path))
    chosen = whole_pool(learner.view(np.arange(len(splits.pool))))
    learner.start(chosen)

    (first,) = learner.features(chosen, 1)
    (again,) = learner.features(chosen, 1, [(first.label, first.features[0])])

    assert set(first.features) <= {f"{c}{r}" for c in "ABCD" for r in range(1, 5)}
    assert list(first.shares) == sorted(first.shares, reverse=True)
    assert first.features[0] not in again.features
    assert first.grid == 4
    assert all(Path(path).exists() for path in first.image_paths)


def test_the_digest_changes_with_a_picture(splits, tmp_path):
    model = load_image_backbone(saved(tmp_path / "vit", "vit"), None, LoraSpec(), seed=0)
    hardware = compute.set_up(CPU)
    files = [s.fields["image"] for s in splits.pool]

    one, same, other = (
        Pictures(model, f, hardware).digest() for f in (files, files, [files[1], *files[1:]])
    )

    assert one == same != other


def planted(folder: Path, split: str, n: int, *, swapped: bool = False) -> list[Sample]:
    """Two shapes that are hard to tell apart, and a patch at the top left that tells the label."""
    rng = np.random.default_rng([n, swapped])
    samples = []
    for i in range(n):
        is_bar = i % 2 == 0
        pixels = rng.normal(110, 40, (32, 32, 3))
        if is_bar:
            pixels[14:18, 8:26] += 32
        else:
            pixels[8:26, 14:18] += 32
        if is_bar != swapped and rng.random() < 0.9:
            pixels[:8, :8] = (250, 0, 250)
        path = folder / f"{split}-{i}-{swapped}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        label = "bar" if is_bar else "post"
        samples.append(Sample(f"{split}-{i}", {"image": ImageFile(str(path))}, label, label))
    return samples


def trained(data: Splits, folder: Path, said: Opinions) -> tuple[float, np.ndarray]:
    """(accuracy on the test set, share of each cell in what speaks for a bar) after some training."""
    learner = ready(learner_of("vit", data, folder, opinions=said, top_layers=3))
    optimizer = torch.optim.AdamW(
        [p for group in learner.trainable().values() for p in group.values()], lr=1e-2
    )
    rng, pool = np.random.default_rng(0), whole_pool(learner.view(np.arange(120)))
    for _ in range(60):
        loss = learner.losses(rng.integers(120, size=32), pool).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    shares = learner._pictures.cell_shares(np.arange(0, 120, 2), lambda z: learner.head(z)[:, 0])
    return learner.evaluate("test"), shares.mean(axis=0)


MIDDLE = ("B2", "C2", "B3", "C3")


@pytest.mark.parametrize(
    ("value", "cells"),
    [pytest.param(0.0, ("A1",), id="idle"), pytest.param(1.0, MIDDLE, id="favoured")],
)
def test_votes_on_cells_move_what_a_model_leans_on(tmp_path, value, cells):
    """A patch stands on nine bars in ten; in the test it stands on the posts."""
    pool, dev = planted(tmp_path, "pool", 120), planted(tmp_path, "dev", 20)
    test = planted(tmp_path, "test", 100, swapped=True)
    data = Splits(tuple(pool), tuple(dev), tuple(test), ("bar", "post"), Skipped())
    votes = [FeatureOpinion(label="bar", feature=cell, value=value, votes=5) for cell in cells]

    before, plain = trained(data, tmp_path, NOBODY)
    after, voted = trained(data, tmp_path, Opinions(features=tuple(votes)))

    assert after > before + 0.08
    if value > 0:
        assert voted[1:3, 1:3].sum() > plain[1:3, 1:3].sum()
    else:
        assert voted[0, 0] < plain[0, 0]


def test_cells_are_retouched_by_what_people_said_of_them(splits):
    model = load_image_backbone(
        saved(Path(splits.pool[0].fields["image"].path).parent / "m", "vit"),
        None,
        LoraSpec(),
        seed=0,
    )
    files = [s.fields["image"] for s in splits.pool]
    plain = Pictures(model, files, compute.set_up(CPU))
    every = np.arange(len(files))
    before = plain.pixels(every)

    others = {cell_name(*cell) for cell in all_cells()} - {"A1", "B1"}
    found = Retouched(plain, {"A1"}, others)
    after = found.pixels(every)

    side = before.shape[-1] // 4
    covered, favoured = after[:, :, :side, :side], after[:, :, :side, side : 2 * side]
    assert torch.allclose(covered, before.mean(dim=(2, 3), keepdim=True).expand_as(covered))
    assert torch.equal(favoured, before[:, :, :side, side : 2 * side])
    assert not found.lent[:, 0, :2].any()
    i, row, column = np.argwhere(found.lent)[0]
    cell = np.s_[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
    assert torch.equal(after[i][cell], before[found.lender[i]][cell])
    assert torch.equal(plain.pixels(every), before)
    assert not Retouched(plain, {"A1"}, ()).lent.any()


def test_a_tenth_of_the_pictures_borrow_a_cell_the_same_ones_each_time():
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(256)]

    lent, lender = lending(digests, {"C2"})
    again, _ = lending(digests[::-1], {"C2"})

    assert lent.sum() == lent[:, 1, 2].sum() == pytest.approx(LENT * 256, rel=0.4)
    assert (again[::-1] == lent).all()
    assert len(set(lender.tolist())) > 100


@pytest.mark.parametrize(("value", "acts"), [(-1.0, True), (0.0, True), (0.3, False), (1.0, True)])
def test_cells_act_that_matter_much_or_not_at_all(splits, tmp_path, value, acts):
    said = Opinions(features=(FeatureOpinion(label="red", feature="B2", value=value, votes=5),))

    learner = learner_of("vit", splits, tmp_path, opinions=said)

    assert learner.is_covering is acts
    if value > 0.5:
        assert learner._seen["dev"].lent.any()
        assert not learner._seen["dev"].lent[:, 1, 1].any()
        assert learner._seen["test"] is learner._held_out["test"]


def test_where_all_cells_matter_nothing_is_exchanged(splits, tmp_path):
    said = [
        FeatureOpinion(label="red", feature=cell_name(*cell), value=1.0, votes=5)
        for cell in all_cells()
    ]

    learner = learner_of("vit", splits, tmp_path, opinions=Opinions(features=tuple(said)))

    assert not learner.is_covering


@pytest.mark.parametrize("side", [32, 50, 164, 224])
def test_cells_part_a_picture_evenly(side):
    cells = np.zeros((1, 4, 4), bool)
    cells[0, 1, 2] = True

    enlarged = _enlarged(cells, torch.zeros(1, 3, side, side))[0, 0]

    rows, columns = torch.nonzero(enlarged).T
    assert (rows.min(), columns.min()) == (-(-side // 4), -(-side // 2))
    assert enlarged.sum() == (enlarged.any(dim=0).sum() * enlarged.any(dim=1).sum())
    assert abs(int(enlarged.any(dim=1).sum()) - side / 4) < 1


def test_a_text_model_is_refused_with_a_remedy(tiny_model):
    with pytest.raises(ModelError, match=r"not pictures|cannot load"):
        load_image_backbone(str(tiny_model), None, LoraSpec(), seed=0)
