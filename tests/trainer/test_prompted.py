"""Prompts and answers in the loop: what is read, what votes do, what is shown."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it

from tests.conftest import CHAT, save_word_tokenizer
from tests.trainer.plans import ASK, Arm, learner_of, pool_ids, votes
from trainer import language
from trainer.data.read import read_splits
from trainer.data.samples import DataError
from trainer.segment import FeatureOpinion, Opinions, SampleOpinion
from trainer.selection import Selection, whole_pool
from trainer.tasks import prompted
from trainer.tasks.prompted import TOPICS


def right(spec) -> list[str]:
    return pool_ids(spec, lambda s: s.truth == s.label)


def wrong(spec) -> list[str]:
    return pool_ids(spec, lambda s: s.truth != s.label)


def said(spec) -> Opinions:
    """An honest opinion on every second sample."""
    good, bad = votes(right(spec)[::2], 0.95), votes(wrong(spec)[::2], 0.05)
    return Opinions(samples=(*good.samples, *bad.samples))


# --- both kinds ---------------------------------------------------------------------------------


@pytest.fixture(params=["causal-lm", "preference"])
def prompts_spec(request, answers_spec, pairs_spec):
    return answers_spec if request.param == "causal-lm" else pairs_spec


def test_an_arm_that_asks_nobody_loads_no_encoder(prompts_spec, tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(prompted, "load_backbone", refuse)
    report = Arm(prompts_spec(), tmp_path / "arm", arm="control").go(1.0)
    assert report.outcome == "done"
    assert report.samples_needed == pytest.approx(0.0, abs=report.samples_trained)


def test_a_run_in_two_segments_ends_where_one_does(prompts_spec, tmp_path):
    spec = prompts_spec()
    whole = Arm(spec, tmp_path / "whole", opinions=said(spec))
    halves = Arm(spec, tmp_path / "halves", opinions=said(spec))

    whole.go(1.0)
    halves.go(0.5)
    halves.go(1.0)

    assert halves.weights == whole.weights


def test_after_a_pause_samples_are_read_in_the_company_of_their_first_batch(
    pairs_spec, tmp_path, monkeypatch
):
    """Another company moves the last bits; on so small a model it seldom shows in the weights."""
    spec = pairs_spec(train={"epochs": 3, "max_tokens": 32})
    reads: list[list[int]] = []
    reading = language.Answers.read

    def read(self, index):
        reads.append(index.tolist())
        reading(self, index)

    monkeypatch.setattr(language.Answers, "read", read)
    Arm(spec, tmp_path / "whole", opinions=said(spec)).go(1.0)
    whole, reads[:] = [*reads], []
    halves = Arm(spec, tmp_path / "halves", opinions=said(spec))
    halves.go(0.4)
    halves.go(1.0)

    assert len(whole) > 3
    assert len(reads) > len(whole)  # some are read again
    assert all(company in whole for company in reads)


def test_what_the_encoder_reads_is_read_once(prompts_spec, tmp_path, monkeypatch):
    spec = prompts_spec()
    first = learner_of(spec, tmp_path / "arm")
    seen = first.view(np.arange(10, 40))

    monkeypatch.setattr(prompted, "load_backbone", lambda *_: pytest.fail("read again"))
    again = learner_of(spec, tmp_path / "arm").view(np.arange(10, 40))

    assert np.allclose(seen.embeddings, again.embeddings)
    assert np.allclose(seen.hints.signals, again.hints.signals)
    assert first.samples_scored > 0


def test_topics_are_asked_about_before_any_training_and_never_twice(prompts_spec, tmp_path):
    learner = learner_of(prompts_spec(), tmp_path / "arm")
    monkey = learner.features(whole_pool(learner.view(np.arange(80))), 3)
    assert monkey == []  # 80 prompts make one topic, which there is nothing to weigh against


def test_topics_have_names_shares_and_weights(prompts_spec, tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.pairing.PER_TOPIC", 20)
    spec = prompts_spec()
    report = Arm(spec, tmp_path / "arm").go(0.0, questions=ASK)
    (view,) = report.features
    assert view.label == TOPICS
    assert len(set(view.features)) == len(view.features) >= 2
    assert sum(view.shares) == pytest.approx(1.0)

    learner = learner_of(spec, tmp_path / "arm")
    asked = [(TOPICS, name) for name in view.features]
    assert learner.features(whole_pool(learner.view(np.arange(80))), 3, asked) == []
    opinions = [
        FeatureOpinion(label=TOPICS, feature=view.features[0], value=1.0, votes=3),
        FeatureOpinion(label=TOPICS, feature=view.features[1], value=-0.2, votes=3),
    ]
    factor = learner.lean(opinions)
    shares = {round(x, 3): float((factor == x).mean()) for x in np.unique(factor)}
    assert shares[round(math.exp(3), 3)] == pytest.approx(view.shares[0])
    assert shares[round(math.exp(-3), 3)] == pytest.approx(view.shares[1])
    assert learner.lean([]) is None
    assert learner.lean([FeatureOpinion(label="x", feature="y", value=1.0, votes=1)]) is None


def test_answers_that_are_too_long_are_left_out_with_an_example(prompts_spec, tmp_path):
    spec = prompts_spec(train={"max_tokens": 8})
    path = tmp_path / ("answers.csv" if spec.task == "causal-lm" else "pairs.csv")
    longest = " ".join(["apple"] * 30)
    row = f"name a fruit,{longest},True\n"
    if spec.task == "preference":
        row = f"name a fruit,pear,{longest},chosen\n"
    path.write_text(path.read_text() + row)

    report = Arm(spec, tmp_path / "arm").go(0.0, questions=ASK)

    assert report.pool_size == 80
    assert ("pool answer longer than 8 tokens", 1, "name a fruit") in report.skipped


def test_a_pool_of_which_nothing_fits_is_refused_with_the_remedy(prompts_spec, tmp_path):
    why = r"80 x pool answer longer than 4 tokens, e\.g\. 'name .*raise train\.max_tokens"
    with pytest.raises(DataError, match=why):
        learner_of(prompts_spec(train={"max_tokens": 4}), tmp_path / "arm")


def test_a_chat_that_the_template_refuses_is_left_out_and_said(prompts_spec, tmp_path, caplog):
    """Templates of real models raise on roles they do not know; here on one prompt."""
    spec = prompts_spec()
    path = tmp_path / ("answers.csv" if spec.task == "causal-lm" else "pairs.csv")
    row = "name it odd,pear,True\n" if spec.task == "causal-lm" else "name it odd,pear,saw,chosen\n"
    path.write_text(path.read_text() + row)
    refusing = (
        "{% if 'odd' in messages[0]['content'] %}{{ raise_exception('no such role') }}{% endif %}"
    )
    folder = tmp_path / "refusing"
    shutil.copytree(spec.model, folder)
    save_word_tokenizer(folder, refusing + CHAT)

    report = Arm(prompts_spec(model=str(folder)), tmp_path / "arm").go(0.0, questions=ASK)

    reason = "pool chat is not one the model's template takes (no such role)"
    assert report.pool_size == 80
    assert (reason, 1, "name it odd") in report.skipped
    assert f"left out of the data: 1 x {reason}, e.g. 'name it odd'" in caplog.text


# --- answers ------------------------------------------------------------------------------------


def test_training_lowers_the_perplexity_and_votes_drop_what_is_wrong(answers_spec, tmp_path):
    spec = answers_spec(train={"epochs": 6})
    report = Arm(spec, tmp_path / "arm", opinions=said(spec)).go(1.0)

    first, *_, last = report.evaluations
    assert 1 / last.metric < 0.95 / first.metric
    assert last.tokens > 0
    assert report.selection.dropped >= len(wrong(spec)) // 2


def test_the_loss_counts_every_token_of_a_batch_alike(answers_spec, tmp_path):
    learner = learner_of(answers_spec(), tmp_path / "arm")
    index = np.arange(12)
    selection = whole_pool(learner.view(np.arange(80)))

    losses = learner.losses(index, selection).detach()

    nats = -learner._pool.log_probabilities(index).detach().sum()
    tokens = int(learner._pool.answer_tokens[index].sum())
    assert float(losses.mean()) == pytest.approx(float(nats) / tokens, rel=1e-4)


def test_the_metric_is_the_mean_probability_of_a_held_out_token(answers_spec, tmp_path):
    learner = learner_of(answers_spec(), tmp_path / "arm")
    dev = learner._held["dev"]
    with torch.inference_mode():
        nats = -float(dev.log_probabilities(np.arange(16)).sum())
    assert learner.evaluate("dev") == pytest.approx(math.exp(-nats / dev.answer_tokens.sum()))


def test_the_model_answers_the_same_dev_prompts_at_every_checkpoint(answers_spec, tmp_path):
    spec = answers_spec()
    arm = Arm(spec, tmp_path / "arm", questions=ASK)
    assert arm.go(0.0).generations == ()

    first, second = arm.go(0.5).generations, arm.go(1.0).generations

    dev = {s.sample_id: s.prompt for s in read_splits(spec, 0).dev}
    assert len(first) == 3
    assert [g.sample_id for g in first] == [g.sample_id for g in second]
    for shown in first:
        (asked, prompt), (told, answer) = shown.parts
        assert (asked, told) == ("Prompt", "Model's answer")
        assert prompt == dev[shown.sample_id]
        assert isinstance(answer, str)


def test_cards_show_prompt_and_answer_and_no_label(answers_spec, tmp_path):
    spec = answers_spec()
    report = Arm(spec, tmp_path / "arm").go(0.0, questions=ASK)
    pool = {s.sample_id: s for s in read_splits(spec, 0).pool}
    for candidate in report.candidates:
        sample = pool[candidate.view.sample_id]
        assert candidate.view.parts == (("Prompt", sample.prompt), ("Answer", sample.answers[0]))
        assert candidate.view.label is None
        assert candidate.options == ()


# --- pairs --------------------------------------------------------------------------------------


def test_the_loss_is_dpo_with_the_certainty_of_the_label_as_target(pairs_spec, tmp_path):
    learner = learner_of(pairs_spec(train={"beta": 0.5}), tmp_path / "arm")
    index = np.arange(6)
    with torch.no_grad():
        for weight in learner.model.lora_parameters().values():
            weight.add_(torch.randn_like(weight) * 0.3)
    label, keep = np.tile([0, 1], 40), np.linspace(0.5, 1.0, 80)

    losses = learner.losses(index, Selection(np.ones(80), keep, label)).detach()

    both = np.concatenate([index, index + 80])
    now = learner._pool.log_probabilities(both).detach()
    with learner.model.untuned():
        before = learner._pool.log_probabilities(both).detach()
    a, b = (now - before).chunk(2)
    assert float((a - b).abs().max()) > 1e-3
    margin = 0.5 * (a - b) * torch.tensor([1.0, -1.0] * 3)
    q = torch.tensor(keep[:6], dtype=torch.float32)
    wanted = -q * F.logsigmoid(margin) - (1 - q) * F.logsigmoid(-margin)
    assert torch.allclose(losses, wanted, atol=1e-4)


def test_a_label_that_nobody_knows_moves_nothing(pairs_spec, tmp_path):
    learner = learner_of(pairs_spec(), tmp_path / "arm")
    selection = Selection(np.ones(80), np.full(80, 0.5), np.zeros(80, dtype=np.int64))
    learner.losses(np.arange(8), selection).sum().backward()
    assert all(
        p.grad is None or float(p.grad.abs().max()) < 1e-6
        for p in learner.model.lora_parameters().values()
    )


def test_an_untrained_model_prefers_nothing(pairs_spec, tmp_path):
    assert learner_of(pairs_spec(), tmp_path / "arm").evaluate("dev") == 0.5


def test_votes_turn_pairs_round_rather_than_drop_them(pairs_spec, tmp_path):
    spec = pairs_spec(train={"epochs": 6, "batch_size": 4})
    report = Arm(spec, tmp_path / "arm", opinions=said(spec)).go(1.0)

    truth = {s.sample_id: s.truth for s in read_splits(spec, 0).pool}
    chosen = json.loads((tmp_path / "arm" / "selection.json").read_text())
    voted = {o.sample_id for o in said(spec).samples}
    assert report.selection.relabelled > 0
    assert all(chosen[i][2] == truth[i] for i in voted if chosen[i][1] > 0)
    assert max(e.metric for e in report.evaluations) > 0.6


def test_a_pair_that_people_find_bad_on_both_sides_is_left_out(pairs_spec, tmp_path):
    spec = pairs_spec()
    bad, good = pool_ids(spec)[0], pool_ids(spec)[1:30]
    opinions = Opinions(
        samples=(
            SampleOpinion(sample_id=bad, keep=0.1, votes=3, labels=(("A", 0.1), ("B", 0.1))),
            *(
                SampleOpinion(sample_id=i, keep=0.9, votes=2, labels=(("A", 0.9), ("B", 0.05)))
                for i in good
            ),
        )
    )
    Arm(spec, tmp_path / "arm", opinions=opinions).go(0.2)

    chosen = json.loads((tmp_path / "arm" / "selection.json").read_text())
    assert chosen[bad][1] == 0.0
    assert all(chosen[i][2] == "A" for i in good if chosen[i][1] > 0)


def test_a_pair_is_shown_with_its_sides_where_they_stand_and_its_label_kept_apart(
    pairs_spec, tmp_path
):
    spec = pairs_spec()
    report = Arm(spec, tmp_path / "arm").go(0.0, questions=ASK)
    pool = {s.sample_id: s for s in read_splits(spec, 0).pool}
    for candidate in report.candidates:
        sample = pool[candidate.view.sample_id]
        assert candidate.view.parts[1:] == tuple(zip("AB", sample.answers, strict=True))
        assert candidate.options == ("A", "B")
    assert {s.label for s in pool.values()} == {"A", "B"}
