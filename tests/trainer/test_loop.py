"""A segment, read from its outside: the same plan ends in the same weights, bit for bit."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.conftest import TOPICS
from tests.trainer.plans import ASK, Arm, both, plan_of, pool_ids, votes
from trainer.data.read import read_splits
from trainer.data.samples import DataError
from trainer.segment import FeatureOpinion, Opinions, Refusal
from trainer.tasks.text_classification import WORDS_PER_CARD


def topics_csv(path: Path, *rows: tuple[str, str]) -> dict[str, object]:
    """The data part of a spec over some rows of text and label."""
    lines = [f'"{text}",{label}\n' for text, label in rows]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return {"pool": f"csv:{path}", "dev": 0.3, "truth": None}


def rows_of(*topics: str, each: int = 10) -> list[tuple[str, str]]:
    return [
        (f"{word} {filler}", topic)
        for topic in topics
        for filler in ("here", "there", "old", "new")[: -(-each // 10)]
        for word in TOPICS[topic][:each]
    ]


# --- one run is one run, however it is cut ------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_segments_end_like_one(tiny_spec, tmp_path, seed, precision):
    spec = tiny_spec(train={"seed": seed, "precision": precision})
    straight, paused = Arm(spec, tmp_path / "straight"), Arm(spec, tmp_path / "paused")

    straight.go(1.0)
    for until in (0.3, 0.6, 1.0):
        paused.go(until)

    assert paused.weights == straight.weights
    assert sum(r.samples_trained for r in paused.reports) == straight.reports[0].samples_trained
    assert [(e.metric, e.loss) for r in paused.reports for e in r.evaluations] == [
        (e.metric, e.loss) for e in straight.reports[0].evaluations
    ]


def test_pauses_change_nothing_when_there_are_votes_either(tiny_spec, tmp_path):
    spec = tiny_spec()
    said = votes(pool_ids(spec)[:9], 0.05)
    straight, paused = Arm(spec, tmp_path / "a", opinions=said), Arm(spec, tmp_path / "b",
                                                                   opinions=said)  # fmt: skip

    straight.go(1.0)
    for until in (0.0, 0.4, 1.0):
        paused.go(until)

    assert paused.weights == straight.weights
    assert straight.reports[0].selection.dropped >= 9


def test_with_all_layers_trained_the_pause_changes_nothing_either(tiny_spec, tmp_path):
    spec = tiny_spec(lora={"top_layers": "all"})
    straight, paused = Arm(spec, tmp_path / "a"), Arm(spec, tmp_path / "b")

    straight.go(1.0)
    paused.go(0.5)
    paused.go(1.0)

    assert paused.weights == straight.weights


def test_repeats_end_in_the_same_weights_and_other_seeds_in_others(tiny_spec, tmp_path):
    arms = [
        Arm(tiny_spec(train={"seed": seed}), tmp_path / name)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    for arm in arms:
        arm.go(1.0)

    assert arms[0].weights == arms[1].weights
    assert arms[0].weights != arms[2].weights


def test_a_segment_that_is_repeated_after_a_crash_ends_the_same(tiny_spec, tmp_path):
    """Its checkpoint lies there already, and its cache of hidden states does, too."""
    arm = Arm(tiny_spec(), tmp_path)
    arm.go(0.5)
    first = arm.go(1.0)

    again = arm.go(1.0, checkpoint=arm.reports[0].checkpoint.path)

    assert again.checkpoint == first.checkpoint


def test_the_cache_of_hidden_states_changes_nothing(tiny_spec, tmp_path):
    kept, lost = Arm(tiny_spec(), tmp_path / "a"), Arm(tiny_spec(), tmp_path / "b")
    for arm in (kept, lost):
        arm.go(0.5)
    (tmp_path / "b" / "frozen.safetensors").unlink()

    for arm in (kept, lost):
        arm.go(1.0)

    assert lost.weights == kept.weights
    assert lost.reports[1].samples_scored > kept.reports[1].samples_scored


def test_a_damaged_cache_of_hidden_states_is_made_anew(tiny_spec, tmp_path):
    """A power cut may leave half a file; it can be computed again, so nobody need be told."""
    kept, hurt = Arm(tiny_spec(), tmp_path / "a"), Arm(tiny_spec(), tmp_path / "b")
    for arm in (kept, hurt):
        arm.go(0.5)
    frozen = tmp_path / "b" / "frozen.safetensors"
    frozen.write_bytes(frozen.read_bytes()[:2000])

    for arm in (kept, hurt):
        arm.go(1.0)

    assert hurt.weights == kept.weights


def test_a_stopped_run_goes_on_to_the_same_end(tiny_spec, tmp_path):
    spec = tiny_spec()
    straight, stopped = Arm(spec, tmp_path / "a"), Arm(spec, tmp_path / "b")
    straight.go(1.0)
    plan = plan_of(spec, tmp_path / "b")
    Path(plan.folder).mkdir(parents=True)
    plan.stop_path.touch()

    early = stopped.go(1.0, questions=ASK)
    stopped.go(1.0)

    assert early.outcome == "stopped"
    assert early.samples_trained == spec.train.batch_size
    assert early.checkpoint.samples == early.samples_trained
    assert early.candidates == ()
    assert stopped.reports[1].outcome == "done"
    assert stopped.weights == straight.weights


# --- what a report says -------------------------------------------------------------------------


def test_a_plan_to_prepare_trains_nothing_and_asks(tiny_spec, tmp_path):
    report = Arm(tiny_spec(), tmp_path).go(0.0, questions=ASK)

    assert report.outcome == "done"
    assert report.checkpoint is None
    assert report.samples_trained == 0
    assert len(report.candidates) == 6
    assert report.features == ()
    assert {c.view.label for c in report.candidates} <= set(TOPICS)


def test_evaluations_are_evenly_spaced_from_start_to_end(tiny_spec, tmp_path):
    spec = tiny_spec(train={"evaluations": 4, "batch_size": 6})

    report = Arm(spec, tmp_path).go(1.0)

    at = [e.samples for e in report.evaluations]
    assert at[0] == 0
    assert len(at) == 5
    for number, samples in enumerate(at[1:], start=1):
        due = report.planned_samples * number / 4
        assert due <= samples < due + 6 + 1
    assert all(0 <= e.metric <= 1 and e.dev_metric == e.metric for e in report.evaluations)


def test_training_learns_the_topics(tiny_spec, tmp_path):
    """Of three classes a guess is right once in three; one label in five is wrong on purpose."""
    spec = tiny_spec(train={"epochs": 6, "evaluations": 24, "patience": 0})

    report = Arm(spec, tmp_path).go(1.0)

    assert report.evaluations[-1].metric > 0.5
    assert report.evaluations[-1].loss < 0.9 * report.evaluations[1].loss


def test_phases_come_in_order_and_their_costs_are_counted(tiny_spec, tmp_path):
    arm = Arm(tiny_spec(train={"evaluations": 1}), tmp_path)
    report = arm.go(1.0, questions=ASK)

    phases = [m.phase for m in arm.marks if m.kind == "phase"]
    assert phases == ["score", "evaluate", "train", "evaluate", "train", "checkpoint", "score"]
    assert {c.phase for c in report.costs} == {"load", *phases}
    assert all(c.wall_s >= 0 and c.cpu_s >= 0 for c in report.costs)
    (selected,) = [m for m in arm.marks if m.kind == "selection"]
    assert selected.report == report.selection


def test_progress_counts_up_to_the_end(tiny_spec, tmp_path):
    arm = Arm(tiny_spec(), tmp_path)
    report = arm.go(1.0)

    done = [m.done for m in arm.marks if m.kind == "progress" and m.what == "training"]
    assert done == sorted(done)
    assert done[-1] == report.checkpoint.samples
    metrics = [m.metric for m in arm.marks if m.kind == "progress" and m.metric is not None]
    assert metrics == [e.metric for e in report.evaluations]


def test_the_truth_is_left_for_simulated_voters_and_nobody_else(tiny_spec, tmp_path):
    spec = tiny_spec()
    report = Arm(spec, tmp_path).go(0.0, questions=ASK)

    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth == {s.sample_id: s.truth for s in read_splits(spec, 0).pool}
    assert "truth" not in report.candidates[0].view.model_dump()


# --- what votes do ------------------------------------------------------------------------------


def test_votes_drop_what_they_reject(tiny_spec, tmp_path):
    spec = tiny_spec()
    wrong = pool_ids(spec, lambda s: s.label != s.truth)
    right = pool_ids(spec, lambda s: s.label == s.truth)
    said = both(votes(wrong, 0.05), votes(right, 0.95))

    report = Arm(spec, tmp_path).go(1.0, opinions=said)

    assert len(wrong) > 5
    assert report.selection.note == ""
    assert report.selection.dropped == len(wrong)
    assert report.selection.kept == len(right)
    assert report.selection.votes == 2 * report.pool_size


def test_the_label_of_a_dropped_sample_leaves_no_trace_in_the_weights(tiny_spec, tmp_path):
    """Two pools that differ only in the labels of what was voted out end in the same weights."""
    dev = topics_csv(tmp_path / "dev.csv", *rows_of("fruit", "tools", "weather"))["pool"]
    pools = {}
    for other in ("tools", "weather"):
        rows = [(f"{a} and {b}", "fruit") for a, b in pairwise(TOPICS["fruit"])]
        rows += [(f"{a} and {b}", "tools") for a, b in pairwise(TOPICS["tools"])]
        rows += [(f"{a} and {b}", "weather") for a, b in pairwise(TOPICS["weather"])]
        rows += [(f"{word} too", other) for word in TOPICS["fruit"]]
        pools[other] = topics_csv(tmp_path / f"{other}.csv", *rows) | {"dev": dev}
    ids = [f"pool-{i}" for i in range(37)]
    said = both(votes(ids[:27], 0.9), votes(ids[27:], 0.02))
    a = Arm(tiny_spec(data=pools["tools"]), tmp_path / "a", opinions=said)
    b = Arm(tiny_spec(data=pools["weather"]), tmp_path / "b", opinions=said)
    deaf = Arm(tiny_spec(data=pools["weather"]), tmp_path / "c")
    for arm in (a, b, deaf):
        arm.go(1.0)

    dropped = {arm.reports[0].selection.dropped for arm in (a, b)}
    assert len(dropped) == 1
    assert min(dropped) >= 10
    assert a.weights == b.weights
    assert a.weights != deaf.weights


def test_surer_samples_weigh_more(tiny_spec, tmp_path):
    spec = tiny_spec()
    fruit = pool_ids(spec, lambda s: s.label == "fruit")
    rest = pool_ids(spec, lambda s: s.label != "fruit")
    a, b = Arm(spec, tmp_path / "a"), Arm(spec, tmp_path / "b")

    a.go(1.0, opinions=both(votes(fruit, 0.97), votes(rest, 0.75)))
    b.go(1.0, opinions=both(votes(fruit, 0.75), votes(rest, 0.97)))

    assert a.weights != b.weights
    for arm in (a, b):
        assert arm.reports[0].selection.note == ""
        table = json.loads((arm.folder / "selection.json").read_text())
        sure, unsure = (
            {weight for keep, weight, _ in table.values() if keep == q and weight > 0}
            for q in (0.97, 0.75)
        )
        assert max(unsure) < min(sure)


def test_relabelled_samples_are_learnt_under_their_new_label(tiny_spec, tmp_path):
    """With every wrong label put right, training is as good as on the clean pool."""
    spec = tiny_spec(train={"epochs": 6})
    splits = read_splits(spec, 0)
    said = Opinions()
    for label in splits.labels:
        ids = [s.sample_id for s in splits.pool if s.truth == label != s.label]
        said = both(said, votes(ids, 0.05, relabel=label))
    n = len(said.samples)
    mended, plain = Arm(spec, tmp_path / "a"), Arm(spec, tmp_path / "b")

    report = mended.go(1.0, opinions=said)
    plain.go(1.0)

    assert report.selection.relabelled == n > 5
    assert report.selection.kept >= n
    assert mended.weights != plain.weights


def test_importance_votes_weigh_the_samples_with_the_word(tiny_spec, tmp_path):
    spec = tiny_spec()
    said = both(
        votes(pool_ids(spec), 0.9),
        Opinions(features=(FeatureOpinion(label="fruit", feature="apple", value=1.0, votes=3),)),
    )
    with_word = pool_ids(spec, lambda s: s.label == "fruit" and "apple" in s.text.split())

    report = Arm(spec, tmp_path).go(1.0, opinions=said)

    assert report.selection.reweighted == len(with_word) > 0


@pytest.mark.parametrize("arm", ["human", "control", "no_votes"])
def test_without_votes_the_pool_is_taken_whole_unless_the_arm_listens_to_names(
    tiny_spec, tmp_path, arm
):
    report = Arm(tiny_spec(), tmp_path, arm=arm).go(1.0)

    assert report.selection.votes == 0
    if arm == "no_votes":
        assert 0 < report.selection.kept <= report.selection.pool
    else:
        assert report.selection.dropped == 0


def test_the_human_arm_without_votes_ends_like_the_control_arm(tiny_spec, tmp_path):
    human, control = Arm(tiny_spec(), tmp_path / "a"), Arm(tiny_spec(), tmp_path / "b",
                                                           arm="control")  # fmt: skip
    human.go(1.0)
    control.go(1.0, opinions=votes(pool_ids(tiny_spec())[:20], 0.02))

    assert human.weights == control.weights


def test_when_everybody_says_no_to_everything_the_pool_stays_whole_and_it_is_said(
    tiny_spec, tmp_path
):
    spec = tiny_spec()

    report = Arm(spec, tmp_path).go(1.0, opinions=votes(pool_ids(spec), 0.02))

    assert report.selection.kept == report.selection.pool
    assert "nothing to train on" in report.selection.note
    assert report.samples_trained >= report.planned_samples


def test_when_everybody_says_yes_to_everything_nothing_is_dropped(tiny_spec, tmp_path):
    spec = tiny_spec()

    report = Arm(spec, tmp_path).go(1.0, opinions=votes(pool_ids(spec), 0.98))

    assert (report.selection.dropped, report.selection.note) == (0, "")
    assert report.selection.auc is None


def test_contradictory_votes_leave_the_pool_as_it_was(tiny_spec, tmp_path):
    """Everybody disagrees with everybody: every posterior is one half."""
    spec = tiny_spec()

    report = Arm(spec, tmp_path).go(1.0, opinions=votes(pool_ids(spec), 0.5))

    assert report.selection.dropped == 0
    assert report.outcome == "done"


def test_one_vote_of_one_person_is_heard(tiny_spec, tmp_path):
    spec = tiny_spec()
    one = pool_ids(spec)[5]

    report = Arm(spec, tmp_path).go(1.0, opinions=votes([one], 0.1, n=1))

    assert report.selection.votes == 1
    assert report.selection.dropped >= 1
    assert report.selection.auc is None


def test_samples_asked_before_are_not_asked_again(tiny_spec, tmp_path):
    arm = Arm(tiny_spec(), tmp_path)
    first = arm.go(0.0, questions=ASK)
    asked = tuple(c.view.sample_id for c in first.candidates)

    second = arm.go(0.3, questions=ASK.model_copy(update={"asked": asked}))

    assert len(second.candidates) == 6
    assert not {c.view.sample_id for c in second.candidates} & set(asked)


# --- odd pools ----------------------------------------------------------------------------------


def test_a_class_with_one_sample_is_a_class(tiny_spec, tmp_path):
    data = topics_csv(tmp_path / "odd.csv", *rows_of("fruit", "tools"), ("grey fog", "weather"))

    report = Arm(tiny_spec(data=data), tmp_path).go(1.0, questions=ASK)

    assert report.labels == ("fruit", "tools", "weather")
    assert report.outcome == "done"
    assert "weather" not in {f.label for f in report.features}


def test_a_pool_smaller_than_the_ballot_asks_what_there_is(tiny_spec, tmp_path):
    data = topics_csv(tmp_path / "odd.csv", *rows_of("fruit", "tools", each=4))
    questions = ASK.model_copy(update={"cards": 50})

    report = Arm(tiny_spec(data=data), tmp_path).go(1.0, questions=questions)

    assert 0 < report.pool_size < 8
    assert len(report.candidates) == report.pool_size
    assert report.outcome == "done"


def test_a_text_of_ten_thousand_words_is_cut(tiny_spec, tmp_path):
    data = topics_csv(
        tmp_path / "odd.csv", *rows_of("fruit", "tools"), ("plum lemon " * 5000, "fruit")
    )
    data["dev"] = topics_csv(tmp_path / "dev.csv", ("plum saw", "fruit"), ("saw fig", "tools"))[
        "pool"
    ]
    spec = tiny_spec(data=data, train={"max_tokens": 64})

    report = Arm(spec, tmp_path).go(1.0, questions=ASK.model_copy(update={"cards": 30}))

    assert report.outcome == "done"
    assert max(len(c.view.text) for c in report.candidates) > 50_000


def test_texts_longer_than_the_model_can_read_are_cut_or_refused(tiny_spec, tmp_path):
    """The model has 64 positions; a spec may ask for more tokens than that."""
    data = topics_csv(
        tmp_path / "odd.csv", *rows_of("fruit", "tools"), ("plum lemon " * 5000, "fruit")
    )
    spec = tiny_spec(data=data, train={"max_tokens": 128})

    try:
        report = Arm(spec, tmp_path).go(1.0)
    except Refusal as refusal:
        assert "max_tokens" in str(refusal)  # noqa: PT017 -- either answer will do
    else:
        assert report.outcome == "done"


def test_texts_that_no_token_is_left_of_are_survived(tiny_spec, tmp_path):
    data = topics_csv(tmp_path / "odd.csv", *rows_of("fruit", "tools"), ("\u200b", "fruit"))

    assert Arm(tiny_spec(data=data), tmp_path).go(1.0).outcome == "done"


def test_data_that_cannot_be_learnt_from_is_refused(tiny_spec, tmp_path):
    data = topics_csv(tmp_path / "odd.csv", *rows_of("fruit"))

    with pytest.raises(DataError, match="at least two classes"):
        Arm(tiny_spec(data=data), tmp_path).go(1.0)


def test_a_run_too_short_for_a_single_step_still_ends(tiny_spec, tmp_path):
    report = Arm(tiny_spec(train={"epochs": 0.001}), tmp_path).go(1.0)

    assert report.planned_samples == 0
    assert report.outcome == "done"
    assert report.checkpoint is not None


# --- feature cards ------------------------------------------------------------------------------


def test_feature_cards_name_words_and_their_shares(tiny_spec, tmp_path):
    report = Arm(tiny_spec(), tmp_path).go(1.0, questions=ASK)

    assert 0 < len(report.features) <= 3
    for view in report.features:
        assert 0 < len(view.features) == len(view.shares) <= WORDS_PER_CARD
        assert all(0 <= share <= 1 for share in view.shares)
        assert len(view.examples) == 2


def test_the_word_a_class_is_planted_with_gets_the_top_share(tiny_spec, tmp_path):
    """Every `tools` text says hammer and no other text does: nothing else tells the class."""
    words = ["the", "a", "some", "with", "near", "very", "old", "new", "small", "big"]
    texts = [f"{a} {b}" for a in words for b in words if a < b]
    rows = [(f"{t} hammer" if i % 2 else f"hammer {t}", "tools") for i, t in enumerate(texts)]
    rows += [(f"{t} here" if i % 2 else f"today {t}", "fruit") for i, t in enumerate(texts)]
    spec = tiny_spec(data=topics_csv(tmp_path / "odd.csv", *rows), train={"epochs": 8})

    report = Arm(spec, tmp_path).go(1.0, questions=ASK)

    (card,) = [view for view in report.features if view.label == "tools"]
    assert card.features[0] == "hammer"
    assert card.shares[0] > 2 * card.shares[1]


def test_data_that_changed_between_two_segments_is_refused(tiny_spec, tmp_path):
    """Votes name samples by id: under an id there has to stand what people were shown."""
    arm = Arm(tiny_spec(), tmp_path / "arm")
    arm.go(0.0)
    pool = tmp_path / "pool.csv"
    heading, *rows = pool.read_text(encoding="utf-8").splitlines()
    pool.write_text("\n".join([heading, *reversed(rows)]), encoding="utf-8")

    with pytest.raises(Refusal, match="the data changed since this run began"):
        arm.go(0.5)


def test_importance_votes_alone_tilt_the_weights_and_drop_nothing(tiny_spec, tmp_path):
    words = tuple(
        FeatureOpinion(label="fruit", feature=word, value=1.0, votes=2)
        for word in ("apple", "pear", "plum", "cherry")
    )

    report = Arm(tiny_spec(), tmp_path / "arm").go(0.5, opinions=Opinions(features=words))

    assert report.selection.reweighted > 0
    assert report.selection.votes == 8
    plain = Arm(tiny_spec(), tmp_path / "plain").go(0.5)
    assert report.selection.dropped == plain.selection.dropped


def test_no_batch_pulls_harder_than_it_may(tiny_spec, tmp_path, monkeypatch):
    lengths, step = [], torch.optim.AdamW.step

    def spied(self, *args, **options):
        found = [p.grad for group in self.param_groups for p in group["params"]]
        lengths.append(float(torch.cat([g.flatten() for g in found if g is not None]).norm()))
        return step(self, *args, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", spied)
    Arm(tiny_spec(train={"max_grad_norm": 0.05}), tmp_path).go(1.0)

    assert max(lengths) == pytest.approx(0.05, rel=1e-3)


def test_a_run_that_diverges_is_refused_with_the_settings_to_lower(tiny_spec, tmp_path):
    spec = tiny_spec(train={"lora_lr": 1e30, "head_lr": 1e30, "warmup_steps": 0})

    with pytest.raises(Refusal, match=r"training diverged .* lower train\.lora_lr"):
        Arm(spec, tmp_path / "arm").go(1.0)
