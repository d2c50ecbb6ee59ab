"""Odd pools and odd votes, from plan to report: each ends in something a team can work with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import FILLER, TOPICS
from tests.trainer.plans import ASK, Arm, both, pool_ids, votes
from trainer.data.samples import DataError
from trainer.segment import FeatureOpinion, Opinions, SampleOpinion

IDS = {"fruit": "LABEL_0", "tools": "LABEL_1", "weather": "LABEL_2"}


def csv_of(path: Path, *rows: tuple[str, str]) -> str:
    """A source of rows of text and label."""
    lines = [f'"{text}",{label}\n' for text, label in rows]
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return f"csv:{path}"


def rows_of(*topics: str, fillers: int = 3, words: int = 10) -> list[tuple[str, str]]:
    return [
        (f"{word} {filler}", topic)
        for topic in topics
        for filler in FILLER[:fillers]
        for word in TOPICS[topic][:words]
    ]


DEV = rows_of(*TOPICS, fillers=1, words=4)


@pytest.fixture
def arm_on(tiny_spec, tmp_path):
    """Makes arms on a pool of some rows, with a dev set of its own."""

    def make(*rows: tuple[str, str], dev=None, name: str = "pool", train=None, **parts) -> Arm:
        held_out = dev or [(f"{text} today", label) for text, label in DEV]
        data = {
            "pool": csv_of(tmp_path / f"{name}.csv", *rows),
            "dev": csv_of(tmp_path / f"{name}-dev.csv", *held_out),
            "truth": None,
        }
        return Arm(tiny_spec(data=data, train=train or {}), tmp_path / name, **parts)

    return make


def chosen(arm: Arm) -> dict[str, tuple[float, float, str]]:
    """Sample -> (how sure, weight, label), as the arm leaves it for whoever takes the data on."""
    return json.loads((arm.folder / "selection.json").read_text(encoding="utf-8"))


def trained_on(arm: Arm) -> set[str]:
    return {sample_id for sample_id, (_, weight, _) in chosen(arm).items() if weight > 0}


def assert_learnt(arm: Arm) -> None:
    """It trained as planned, and every number of it is one."""
    report = arm.reports[-1]
    assert report.outcome == "done"
    assert report.checkpoint is not None
    assert 0 < sum(r.samples_trained for r in arm.reports) == report.checkpoint.samples
    assert report.evaluations
    assert all(0 <= e.metric <= 1 for e in report.evaluations)
    assert all(np.isfinite(e.loss) for e in report.evaluations if e.loss is not None)
    assert report.selection.kept == len(trained_on(arm)) > 0
    assert report.selection.kept + report.selection.dropped == report.pool_size


# --- pools --------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [None, 0.9, 0.1], ids=["no votes", "yes", "no"])
def test_a_class_with_one_sample_keeps_it_unless_people_say_no_to_it(arm_on, said):
    arm = arm_on(*rows_of("fruit", "tools"), ("grey fog", "weather"))
    if said is not None:
        voted = [f"pool-{i}" for i in range(0, 60, 7)]
        arm.parts["opinions"] = both(votes(voted, 0.9), votes(["pool-60"], said))

    arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert arm.reports[0].labels == ("fruit", "tools", "weather")
    assert ("pool-60" in trained_on(arm)) == (said != 0.1)


def test_a_pool_smaller_than_the_ballot_is_asked_about_whole_and_once(arm_on):
    arm = arm_on(("red apple", "fruit"), ("old saw", "tools"), ("plum here", "fruit"),
                 dev=[("pear", "fruit"), ("drill", "tools")])  # fmt: skip
    many = ASK.model_copy(update={"cards": 200})

    first = arm.go(0.5, questions=many)
    shown = tuple(c.view.sample_id for c in first.candidates)
    second = arm.go(1.0, questions=many.model_copy(update={"asked": shown}))

    assert sorted(shown) == ["pool-0", "pool-1", "pool-2"]
    assert second.candidates == ()
    assert_learnt(arm)


def test_two_samples_of_two_classes_are_a_pool(arm_on):
    arm = arm_on(("red apple", "fruit"), ("old saw", "tools"),
                 dev=[("pear", "fruit"), ("drill", "tools")])  # fmt: skip

    arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert len(arm.reports[0].candidates) == 2


@pytest.mark.parametrize("each", [1, 2])
def test_a_thousand_classes_of_hardly_a_sample_each_are_all_kept(arm_on, each):
    fruit, rest = TOPICS["fruit"], [*TOPICS["tools"], *FILLER, *TOPICS["weather"]]
    texts = [f"{a} {b} {c}" for a in fruit for b in rest[:10] for c in rest[10:20]]
    rows = [(text, f"kind {i:03}") for i, text in enumerate(texts)]
    rows += [(f"{text} new", label) for text, label in rows[: 1000 * (each - 1)]]
    dev = [(f"{text} very", label) for text, label in rows[:50]]
    arm = arm_on(*rows, dev=dev, train={"epochs": 1, "batch_size": 64})
    said = both(votes([f"pool-{i}" for i in range(20)], 0.9), votes(["pool-20", "pool-30"], 0.1))

    arm.go(1.0, questions=ASK, opinions=said)

    assert_learnt(arm)
    report = arm.reports[0]
    assert len(report.labels) == 1000
    assert len(report.candidates) == ASK.cards
    assert all(c.options == () for c in report.candidates)
    left = {label for _, weight, label in chosen(arm).values() if weight > 0}
    assert len(left) >= 998 if each == 1 else len(left) == 1000


def test_empty_texts_are_left_out_and_counted(arm_on):
    blank = ["", "   ", "\u200b", "\u00a0\u3000", "\u2060"]
    arm = arm_on(*rows_of(*TOPICS), *((text, "fruit") for text in blank))

    report = arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert report.pool_size == 90
    assert ("pool text is empty", len(blank), "pool-90") in report.skipped


def test_a_pool_of_empty_texts_is_refused_with_their_number(arm_on):
    with pytest.raises(DataError, match=r"pool is empty \(3 x pool text is empty, e\.g\. "):
        arm_on(("", "fruit"), (" ", "tools"), ("", "weather")).go(1.0)


def test_texts_of_ten_thousand_words_are_cut_for_the_model_and_shown_whole(arm_on):
    """Two that begin alike look alike to the model; they are two samples all the same."""
    long = [("plum lemon " * 5000, "fruit"), ("plum lemon " * 4999 + "saw drill", "tools")]
    arm = arm_on(*rows_of(*TOPICS), *long, train={"max_tokens": 64})

    report = arm.go(1.0, questions=ASK.model_copy(update={"cards": 92}))

    assert_learnt(arm)
    shown = {c.view.sample_id: c.view.text for c in report.candidates}
    assert shown["pool-90"] == long[0][0].strip()
    assert shown["pool-91"] == long[1][0].strip()
    assert max(len(word) for card in report.features for word in card.features) < 20


@pytest.mark.parametrize("shared", [1, 5])
def test_a_dev_set_that_overlaps_the_pool_is_refused_with_the_number(arm_on, shared):
    rows = rows_of(*TOPICS)
    dev = [(f"  {text.upper()} ", label) for text, label in rows[:shared]]
    dev += [("apple today", "fruit"), ("saw today", "tools")]

    with pytest.raises(DataError, match=rf"{shared} of {shared + 2} dev samples also stand in"):
        arm_on(*rows, dev=dev).go(1.0)


def test_a_dev_set_that_overlaps_under_another_label_is_refused_as_well(arm_on):
    rows = rows_of(*TOPICS)

    with pytest.raises(DataError, match="1 of 1 dev samples also stand in"):
        arm_on(*rows, dev=[(rows[0][0], "tools")]).go(1.0)


@pytest.mark.parametrize("arm_name", ["human", "no_votes"])
def test_labels_that_are_ids_say_nothing(arm_on, arm_name):
    """Other ids, same weights and same cards: nobody listened to the names."""
    rows = rows_of(*TOPICS)
    arms = []
    for ids in ("LABEL_{}", "class {}", "{}"):
        label = {topic: ids.format(i) for i, topic in enumerate(TOPICS)}
        arms.append(
            arm_on(
                *((text, label[topic]) for text, topic in rows),
                dev=[(f"{text} today", label[topic]) for text, topic in DEV],
                name=f"ids{len(arms)}", arm=arm_name,
                opinions=votes(["pool-1", "pool-31", "pool-61"], 0.1),
            )
        )  # fmt: skip
        arms[-1].go(1.0, questions=ASK)

    assert len({arm.weights for arm in arms}) == 1
    assert len({tuple(c.view.sample_id for c in arm.reports[0].candidates) for arm in arms}) == 1
    assert_learnt(arms[0])


def test_equal_texts_under_every_label_are_a_question_and_not_a_duplicate(arm_on):
    arm = arm_on(*rows_of(*TOPICS), *(("the same old", topic) for topic in TOPICS))

    report = arm.go(1.0, questions=ASK.model_copy(update={"cards": 93}))

    assert_learnt(arm)
    assert {f"pool-{i}" for i in (90, 91, 92)} <= {c.view.sample_id for c in report.candidates}


def test_a_pool_of_one_text_under_two_labels_is_survived(arm_on):
    """Nothing can be learnt from it; it is no reason to fall over."""
    rows = [("some apple", label) for label in ("fruit", "tools") for _ in range(20)]
    arm = arm_on(*rows, dev=[("plum", "fruit"), ("saw", "tools")])

    report = arm.go(1.0, questions=ASK)

    assert report.outcome == "done"
    assert len(report.candidates) <= 2
    assert report.selection.kept == 2


def test_one_card_stands_for_all_its_duplicates_and_its_vote_counts_for_them(arm_on):
    rows = [*rows_of(*TOPICS), *[("apple saw", "fruit")] * 9]
    said = both(votes(["pool-90"], 0.03), votes([f"pool-{i}" for i in range(0, 90, 9)], 0.95))
    arm = arm_on(*rows, opinions=said)

    report = arm.go(1.0, questions=ASK.model_copy(update={"cards": 99}))

    assert_learnt(arm)
    (card,) = [c.view for c in report.candidates if c.view.text == "apple saw"]
    assert (card.sample_id, card.stands_for) == ("pool-90", 9)
    assert not trained_on(arm) & {f"pool-{i}" for i in range(90, 99)}


# --- votes --------------------------------------------------------------------------------------


@pytest.fixture
def ids(tiny_spec):
    return pool_ids(tiny_spec())


def test_all_yes_is_nearly_the_whole_pool(tiny_spec, tmp_path, ids):
    """On a third of the pool: the rest must not be dropped because nobody praised it."""
    yes = Arm(tiny_spec(), tmp_path / "yes", opinions=votes(ids[::3], 0.97))

    report = yes.go(1.0)

    assert_learnt(yes)
    assert report.selection.note == ""
    assert set(ids[::3]) <= trained_on(yes)
    assert report.selection.kept >= 0.9 * report.pool_size


@pytest.mark.parametrize("share", [3, 2, 1], ids=["a third", "half", "all"])
def test_all_no_never_leaves_nothing_to_train_on(tiny_spec, tmp_path, ids, share):
    spec = tiny_spec()
    arm = Arm(spec, tmp_path / "no", opinions=votes(ids[::share], 0.03))

    report = arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert {label for _, weight, label in chosen(arm).values() if weight > 0} == set(report.labels)
    if share == 1:
        assert report.selection.kept == report.pool_size
        assert "nothing to train on" in report.selection.note
    else:
        assert not trained_on(arm) & set(ids[::share])


def test_no_to_all_of_one_label_leaves_the_others_alone(tiny_spec, tmp_path):
    spec = tiny_spec()
    fruit = pool_ids(spec, lambda s: s.label == "fruit")
    rest = pool_ids(spec, lambda s: s.label != "fruit")
    arm = Arm(spec, tmp_path / "no", opinions=both(votes(fruit, 0.03), votes(rest[::4], 0.95)))

    arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert not trained_on(arm) & set(fruit)
    assert len(trained_on(arm)) >= 0.75 * len(rest)


@pytest.mark.parametrize("keep", [0.5, 0.45, 0.55])
def test_people_who_cancel_each_other_out_change_nothing(tiny_spec, tmp_path, ids, keep):
    torn = Arm(tiny_spec(), tmp_path / "torn", opinions=votes(ids, keep, n=8))
    plain = Arm(tiny_spec(), tmp_path / "plain", arm="control")

    torn.go(1.0)
    plain.go(1.0)

    assert torn.weights == plain.weights
    assert torn.reports[0].selection.dropped == 0


def test_votes_thrown_like_a_coin_drop_little_and_no_label(tiny_spec, tmp_path, ids):
    """As many wrong refusals as right ones: what nobody voted on must not fall with them."""
    coin = np.random.default_rng(3).random(len(ids)) < 0.5
    said = both(
        votes([i for i, yes in zip(ids[:40], coin, strict=False) if yes], 0.8),
        votes([i for i, yes in zip(ids[:40], coin, strict=False) if not yes], 0.2),
    )
    arm = Arm(tiny_spec(), tmp_path / "coin", opinions=said)

    report = arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert {label for _, weight, label in chosen(arm).values() if weight > 0} == set(report.labels)
    assert len(trained_on(arm) & set(ids[40:])) >= 0.5 * len(ids[40:])


def test_yes_and_no_to_equal_texts_come_to_the_same_in_either_order(arm_on):
    rows = [*rows_of(*TOPICS), *[("apple saw", "fruit")] * 2]
    yes, no = votes(["pool-90"], 0.97), votes(["pool-91"], 0.03)
    arms = [
        arm_on(*rows, name="yes-no", opinions=both(yes, no)),
        arm_on(*rows, name="no-yes", opinions=both(no, yes)),
    ]

    for arm in arms:
        arm.go(1.0, questions=ASK)
        assert_learnt(arm)

    assert trained_on(arms[0]) == trained_on(arms[1])


@pytest.mark.parametrize("said", [0.85, 0.15], ids=["yes", "no"])
def test_one_vote_of_one_person_does_not_cost_a_quarter_of_the_pool(arm_on, said):
    """On a clean pool; without that vote all of it would be trained on."""
    arm = arm_on(*rows_of(*TOPICS), opinions=votes(["pool-5"], said, n=1))

    report = arm.go(1.0)

    assert_learnt(arm)
    assert ("pool-5" in trained_on(arm)) == (said > 0.5)
    assert report.selection.kept >= 0.75 * report.pool_size


@pytest.mark.parametrize("said", [0.85, 0.15], ids=["yes", "no"])
def test_one_person_alone_who_always_says_the_same_loses_nobody_a_label(
    tiny_spec, tmp_path, ids, said
):
    arm = Arm(tiny_spec(), tmp_path / "one", opinions=votes(ids[:12], said, n=1))

    report = arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert report.selection.votes == 12
    assert (set(ids[:12]) <= trained_on(arm)) == (said > 0.5)
    assert {label for _, weight, label in chosen(arm).values() if weight > 0} == set(report.labels)
    # as many as the votes say are good, or a few more
    assert report.selection.kept >= (0.9 if said > 0.5 else 0.15) * report.pool_size


@pytest.mark.parametrize("keep", [None, 0.5])
def test_opinions_that_nobody_voted_for_are_none(tiny_spec, tmp_path, ids, keep):
    silent = Arm(tiny_spec(), tmp_path / "silent", opinions=votes(ids, keep, n=0))
    none = Arm(tiny_spec(), tmp_path / "none")

    silent.go(1.0)
    none.go(1.0)

    assert silent.weights == none.weights
    assert silent.reports[0].selection.kept == silent.reports[0].pool_size


def test_a_relabel_to_a_label_unknown_to_the_pool_relabels_nothing(tiny_spec, tmp_path, ids):
    """The sample is as wrong where it stands as people said; where it belongs nobody can learn."""
    arm = Arm(
        tiny_spec(), tmp_path / "arm",
        opinions=both(votes(ids[:3], 0.03, relabel="vegetables"), votes(ids[3:20], 0.95)),
    )  # fmt: skip

    report = arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert report.labels == ("fruit", "tools", "weather")
    assert {label for _, _, label in chosen(arm).values()} == set(report.labels)
    assert not trained_on(arm) & set(ids[:3])


def test_a_relabel_that_nothing_came_of_is_not_reported(tiny_spec, tmp_path, ids):
    said = both(
        votes(ids[:3], 0.03, relabel="vegetables"), votes(["pool-5000"], 0.03, relabel="fruit")
    )

    report = Arm(tiny_spec(), tmp_path / "arm", opinions=said).go(1.0)

    assert report.selection.relabelled == 0


def test_a_relabel_to_the_label_it_has_is_a_yes(tiny_spec, tmp_path):
    spec = tiny_spec()
    fruit = pool_ids(spec, lambda s: s.label == "fruit")[:5]
    arm = Arm(spec, tmp_path / "arm", opinions=votes(fruit, 0.03, relabel="fruit"))

    arm.go(1.0)

    assert_learnt(arm)
    assert set(fruit) <= trained_on(arm)
    assert {chosen(arm)[i][2] for i in fruit} == {"fruit"}


@pytest.mark.parametrize("said", [0.03, 0.97], ids=["no", "yes"])
def test_opinions_about_samples_that_are_gone_change_nothing(tiny_spec, tmp_path, said):
    gone = votes([f"pool-{i}" for i in range(5000, 5040)], said)
    ghosts = Arm(tiny_spec(), tmp_path / "ghosts", opinions=gone)
    plain = Arm(tiny_spec(), tmp_path / "plain")

    ghosts.go(1.0, questions=ASK)
    plain.go(1.0, questions=ASK)

    assert ghosts.weights == plain.weights
    assert ghosts.reports[0].selection.dropped == plain.reports[0].selection.dropped
    assert ghosts.reports[0].candidates == plain.reports[0].candidates


def test_opinions_about_samples_that_are_gone_leave_the_others_their_effect(
    tiny_spec, tmp_path, ids
):
    gone = votes([f"pool-{i}" for i in range(5000, 5040)], 0.03, relabel="tools")
    here = both(votes(ids[:9], 0.05), votes(ids[9:30], 0.95))
    ghosts = Arm(tiny_spec(), tmp_path / "ghosts", opinions=both(gone, here))
    plain = Arm(tiny_spec(), tmp_path / "plain", opinions=here)

    ghosts.go(1.0)
    plain.go(1.0)

    assert trained_on(ghosts) == trained_on(plain)
    assert ghosts.weights == plain.weights


@pytest.mark.parametrize(
    "opinion",
    [
        FeatureOpinion(label="vegetables", feature="apple", value=1.0, votes=3),
        FeatureOpinion(label="fruit", feature="no such word", value=1.0, votes=3),
        FeatureOpinion(label="fruit", feature="", value=-1.0, votes=3),
    ],
    ids=["no such label", "no such word", "no word"],
)
def test_words_that_stand_nowhere_tilt_nothing(tiny_spec, tmp_path, opinion):
    odd = Arm(tiny_spec(), tmp_path / "odd", opinions=Opinions(features=(opinion,)))
    plain = Arm(tiny_spec(), tmp_path / "plain")

    odd.go(1.0)
    plain.go(1.0)

    assert odd.reports[0].selection.reweighted == 0
    assert odd.weights == plain.weights


def test_every_word_voted_misleading_still_leaves_weights_to_train_with(tiny_spec, tmp_path):
    words = tuple(
        FeatureOpinion(label=topic, feature=word, value=-1.0, votes=5)
        for topic in TOPICS
        for word in [*TOPICS[topic], *FILLER]
    )
    arm = Arm(tiny_spec(), tmp_path / "arm", opinions=Opinions(features=words))

    arm.go(1.0)

    assert_learnt(arm)
    assert arm.reports[0].selection.dropped == 0
    weights = [weight for _, weight, _ in chosen(arm).values()]
    assert np.mean(weights) == pytest.approx(1.0, abs=1e-3)


def test_the_same_sample_named_twice_is_survived(tiny_spec, tmp_path, ids):
    said = tuple(
        SampleOpinion(sample_id=ids[0], keep=keep, votes=1) for keep in (0.97, 0.03, 0.5, None)
    )
    arm = Arm(tiny_spec(), tmp_path / "arm", opinions=Opinions(samples=said))

    arm.go(1.0, questions=ASK)

    assert_learnt(arm)
    assert arm.reports[0].selection.kept >= 0.7 * arm.reports[0].pool_size
