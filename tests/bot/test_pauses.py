"""verify-pause: real children, and a fault that it finds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml
from typer.testing import CliRunner

from bot import pauses
from bot.cli import app


@pytest.fixture
async def sides(tiny_spec):
    steps = []
    spec = tiny_spec(ask={"at": [0, 0.35, 0.7], "audit": 0})
    found = await pauses.verify(spec, lambda what, done, total: steps.append((done, total, what)))
    assert steps[-1] == (200, 200, "comparing")
    assert [done for done, *_ in steps] == sorted(done for done, *_ in steps)
    assert {"without pauses: training", "with pauses: training"} <= {what for *_, what in steps}
    return found


async def test_pauses_change_nothing_and_every_bit_that_differed_would_be_told(sides):
    assert sides.pauses == (0.35, 0.7)
    assert sides.differences == []
    assert len(sides.straight) >= 4
    assert any(point.loss is not None for point in sides.straight)
    assert "changed nothing" in sides.said()[0]
    assert "35 %, 70 %" in sides.said()[0]

    last = sides.paused[-1]
    loss = replace(
        sides,
        paused=(*sides.paused[:-1], last.model_copy(update={"loss": last.loss + 1e-16 + 2**-50})),
    )
    assert re.match(r"loss \(nats\): \S+ without pauses, \S+ with them, after", loss.differences[0])
    weights = replace(sides, kept=(sides.kept[0], {**sides.kept[1], "weights": "0" * 64}))
    assert weights.differences == [
        f"the weights: SHA-256 {sides.kept[0]['weights'][:12]}... without pauses, "
        "000000000000... with them"
    ]
    assert weights.said()[0].endswith("changed it:")


@pytest.mark.parametrize(
    ("batch_size", "limit", "expected"),
    [
        (32, None, (480, 2.0, 30)),  # two passes over fifteen steps' worth
        (1, None, (480, 30 / 480, 30)),  # a large model: a part of one pass
        (64, None, (960, 2.0, 30)),
        (32, 200, (200, 4.0, 25)),  # a smaller pool: not more than the spec says
    ],
)
def test_a_training_is_shortened_to_some_steps(tiny_spec, batch_size, limit, expected):
    spec = tiny_spec(train={"epochs": 4, "batch_size": batch_size}, data={"limit": limit})

    short = pauses.shortened(spec)

    assert short.data.limit == expected[0]
    assert short.train.epochs == pytest.approx(expected[1])
    assert round(short.train.epochs * short.data.limit / batch_size) == expected[2]
    assert short.ask == spec.ask


@pytest.mark.parametrize(("is_same", "code"), [(True, 0), (False, 1)])
def test_the_command_says_so_in_its_exit_code(tmp_path, monkeypatch, is_same, code):
    found = pauses.Sides(
        (0.5,), (), (), ({"weights": "a"}, {"weights": "a" if is_same else "b"}), (8, 8)
    )

    async def verify(spec, progress):
        return found

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pauses, "verify", verify)
    spec = {
        "name": "t",
        "model": "minilm",
        "data": {"pool": "builtin:stdlib", "dev": "builtin:stdlib"},
    }
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))

    done = CliRunner().invoke(app, ["verify-pause", "spec.yaml"])

    assert done.exit_code == code
    assert ("changed nothing" in done.stdout) is is_same
