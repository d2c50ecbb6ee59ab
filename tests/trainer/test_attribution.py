"""Which words a model leans on."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainer.activations import Texts
from trainer.attribution import token_scores, top_words, word_shares, words_of
from trainer.backbone import load_backbone
from trainer.compute import Compute
from trainer.spec import LoraSpec

CPU = Compute(torch.device("cpu"), torch.float32)


def test_words_are_lower_case_and_at_least_three_letters_long():
    assert words_of("The well-known Don't_stop 42 a1 über x2y 1234 ok") == [
        "the", "well-known", "don't_stop", "über", "x2y",
    ]  # fmt: skip


def test_a_word_gets_what_its_tokens_got():
    """Of 8 in all `hammer` (two tokens: 2 + 4) has 6/8, `red` 1/8; the rest is a special token's."""
    shares = word_shares(
        ["Red hammer"], [[(0, 0), (0, 3), (4, 7), (7, 10)]], [np.array([1.0, 1.0, 2.0, 4.0])]
    )

    assert shares == [{"red": 1 / 8, "hammer": 6 / 8}]


def test_a_word_that_stands_twice_gets_both_shares():
    (shares,) = word_shares(["saw the saw"], [[(0, 3), (4, 7), (8, 11)]], [np.array([1.0, 2, 3])])

    assert shares == {"saw": 4 / 6, "the": 2 / 6}


def test_a_text_nothing_leans_on_has_no_shares():
    assert word_shares(["red saw"], [[(0, 3), (4, 7)]], [np.zeros(2)]) == [{"red": 0, "saw": 0}]


def test_what_was_cut_off_has_no_share():
    (shares,) = word_shares(["red hammer"], [[(0, 3)]], [np.array([2.0])])

    assert shares == {"red": 1.0, "hammer": 0.0}


def test_top_words_are_means_over_all_samples_and_need_three_of_them():
    """`saw` .5 in 3 of 4 samples: .375; `fig` .8 in 3: .6; `once` stands in two only."""
    samples = [
        {"saw": 0.5, "fig": 0.8}, {"saw": 0.5, "once": 0.9}, {"saw": 0.5, "fig": 0.8},
        {"fig": 0.8, "once": 0.9},
    ]  # fmt: skip

    assert top_words(samples, 5) == [("fig", pytest.approx(0.6)), ("saw", pytest.approx(0.375))]
    assert top_words(samples, 1) == [("fig", pytest.approx(0.6))]


def test_words_that_tell_the_class_come_before_those_that_stand_everywhere():
    """`the` is leant on more, and tells nothing: half of its share is less than all of `plum`'s."""
    samples = [{"the": 0.5, "plum": 0.4}] * 4
    elsewhere = [{"the", "saw"}] * 10

    found = top_words(samples, 5, elsewhere)

    assert found == [("plum", pytest.approx(0.4)), ("the", pytest.approx(0.5))]


def test_the_planted_word_has_the_top_score(tiny_model):
    """The score asks for what one word's embedding points at: that word gets the credit."""
    backbone, tokenizer = load_backbone(str(tiny_model), None, LoraSpec(), seed=0)
    samples = ["red apple seen today", "some hammer near here", "here with old hammer", "small fig"]
    texts = Texts(backbone, tokenizer, samples, 16, CPU)
    with torch.no_grad():
        direction = texts.outputs(np.array([1, 2])).mean(0) - texts.outputs(np.array([0, 3])).mean(
            0
        )

    scores = token_scores(texts, np.array([2, 1]), lambda z: z @ direction)

    tops = [
        tokenizer.convert_ids_to_tokens(texts.ids.batch(np.array([i]))[0][0].tolist())[s.argmax()]
        for i, s in zip([2, 1], scores, strict=True)
    ]
    assert tops == ["hammer", "hammer"]
    assert [len(s) for s in scores] == [6, 6]
    assert all((s >= 0).all() for s in scores)


def test_attribution_leaves_the_model_as_it_was(tiny_model):
    backbone, tokenizer = load_backbone(str(tiny_model), None, LoraSpec(), seed=0)
    texts = Texts(backbone, tokenizer, ["red apple", "old hammer seen here"], 16, CPU)
    index = np.array([0, 1])
    before = texts.outputs(index).detach()

    first = token_scores(texts, index, lambda z: z[:, 0])
    again = token_scores(texts, index, lambda z: z[:, 0])

    assert torch.equal(texts.outputs(index), before)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert all(p.grad is None for p in backbone.parameters())
    assert not backbone.first_layer()._forward_pre_hooks
