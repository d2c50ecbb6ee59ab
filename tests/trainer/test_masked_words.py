"""Words that people say mislead: which texts are read anew without them."""

from dataclasses import replace

import numpy as np
import torch

from tests.conftest import write_topics
from tests.trainer.plans import ASK, Arm, learner_of
from trainer.activations import Texts
from trainer.attribution import words_of
from trainer.data.read import read_splits
from trainer.segment import FeatureOpinion, Opinions
from trainer.selection import whole
from trainer.tasks.base import below
from trainer.tasks.text_classification import TextClassification


def test_only_texts_with_a_masked_word_are_read_anew(tiny_spec, tmp_path, monkeypatch):
    """The others go into training as they were read before, to the last bit."""
    spec = tiny_spec()
    texts = [sample.text for sample in read_splits(spec, 0).pool]
    word = words_of(texts[0])[0]
    said = Opinions(features=(FeatureOpinion(label="x", feature=word, value=-1, votes=3),))
    arm = Arm(spec, tmp_path)
    arm.go(0.5)
    learners, filled = [], []
    losses, fill = TextClassification.losses, Texts.fill

    def spied_losses(self, index, selection):
        learners.append(self)
        return losses(self, index, selection)

    def spied_fill(self, marks, what, rows=None):
        filled.append((self, rows))
        fill(self, marks, what, rows)

    monkeypatch.setattr(TextClassification, "losses", spied_losses)
    monkeypatch.setattr(Texts, "fill", spied_fill)
    arm.go(1.0, opinions=said)

    learner = learners[0]
    anew = {int(i) for held, rows in filled if held is learner._covered for i in rows}
    assert anew
    assert all(word in words_of(texts[i]) for i in anew)
    kept = next(i for i in learner._is_covered.nonzero()[0] if i not in anew)
    start, end = learner._texts.ids.offsets[kept], learner._texts.ids.offsets[kept + 1]
    before = learner._texts.hidden.values[start:end]
    first = learner._covered.ids.offsets[kept]
    after = learner._covered.hidden.values[first : first + end - start]
    assert torch.equal(before, after)


def test_what_misleads_is_kept_from_what_steers_and_not_from_what_measures(tiny_spec, tmp_path):
    """Else the best weights by dev would be those that still lean on it."""
    spec = tiny_spec(data={"test": f"csv:{tmp_path / 'test.csv'}"})
    write_topics(tmp_path / "test.csv", 12, seed=9)
    word = "apple"
    said = FeatureOpinion(label="fruit", feature=word, value=-0.8, votes=3)

    learner = learner_of(spec, tmp_path / "arm", Opinions(features=(said,)))

    mask = learner._tokenizer.mask_token_id
    for split, is_masked in (("dev", True), ("test", False)):
        texts = [s.text for s in getattr(learner.splits, split)]
        has_word = any(word in text.split() for text in texts)
        assert has_word
        assert bool((learner._seen[split].ids.values == mask).any()) is is_masked


def test_at_the_end_it_is_told_what_the_model_leans_on_of_what_people_spoke_of(tiny_spec, tmp_path):
    arm = Arm(tiny_spec(), tmp_path)
    view = arm.go(0.5, questions=ASK).features[0]
    word = view.features[0]
    said = [
        FeatureOpinion(label=view.label, feature=word, value=0.9, votes=3),
        FeatureOpinion(label=view.label, feature="nowhere", value=0.1, votes=1),
        FeatureOpinion(label="no label", feature=word, value=0.1, votes=1),
    ]

    known, absent = arm.go(1.0, opinions=Opinions(features=tuple(said))).leanings

    assert (known.label, known.feature, known.value, known.votes) == (view.label, word, 0.9, 3)
    assert 0 < known.share < 1
    assert (absent.feature, absent.share) == ("nowhere", 0.0)


def test_memory_that_runs_short_later_leaves_no_text_unread(tiny_spec, tmp_path, monkeypatch):
    """What is kept of half the texts must not pass for what was read of the others."""
    said = Opinions(features=(FeatureOpinion(label="x", feature="apple", value=-1, votes=3),))
    spec = tiny_spec(train={"precision": "float32"})

    learner, anew = (learner_of(spec, tmp_path / name, said) for name in ("kept", "anew"))
    everything = whole(learner.labels, np.arange(len(learner.labels)))
    first_half = np.arange(len(learner.labels)) < len(learner.labels) // 2
    learner.losses(np.arange(4), replace(everything, weight=everything.weight * first_half))
    with torch.inference_mode():
        for i in np.flatnonzero(~learner._is_covered):  # memory that was not written yet
            start, end = learner._covered.ids.offsets[i : i + 2]
            learner._covered.hidden.values[start:end] = torch.nan
    monkeypatch.setattr(Texts, "can_cache", property(lambda _: False))
    last = np.arange(len(learner.labels))[-4:]

    found = learner.losses(last, everything)

    assert torch.allclose(found, anew.losses(last, everything), atol=1e-5)


def test_what_matters_for_one_label_is_not_kept_from_it_because_it_does_not_for_another():
    def of(label: str, value: float, votes: int = 3) -> FeatureOpinion:
        return FeatureOpinion(label=label, feature="apple", value=value, votes=votes)

    assert below(0.15, [of("fruit", 0.0)]) == {"apple"}
    assert below(0.15, [of("fruit", 1.0), of("tools", 0.0)]) == frozenset()
    assert below(0.15, [of("fruit", 1.0, votes=1), of("tools", 0.0, votes=9)]) == {"apple"}
