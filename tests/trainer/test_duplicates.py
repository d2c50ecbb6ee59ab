"""Which texts one card can stand for: what is merged wrongly is lost from training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.duplicates import fingerprint, near_groups, words_said
from trainer.data.samples import Sample, duplicate_groups


def are_one(*texts: str) -> bool:
    """Whether all texts, under one label, are one group."""
    return not near_groups(texts, ["x"] * len(texts)).any()


# --- equal texts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    ["Red Apple", "  red\n apple ", "\uff52\uff45\uff44 apple", "red\u00a0apple"],
    ids=["case", "white space", "width", "no-break space"],
)
def test_texts_that_look_the_same_are_the_same(other):
    assert fingerprint(other) == fingerprint("red apple")
    assert are_one(other, "red apple")


def test_accents_count_however_they_are_encoded():
    assert fingerprint("café") == fingerprint("cafe\u0301")
    assert fingerprint("café") != fingerprint("cafe")
    assert not are_one("un café", "un cafe")


def test_every_group_is_named_by_its_first_sample():
    texts, labels = ["a b", "c", "A  B", "a b", "c"], ["x", "x", "x", "y", "x"]

    groups = near_groups(texts, labels)

    assert groups.tolist() == [0, 1, 0, 3, 1]
    assert groups.dtype == np.int64
    pool = [
        Sample(str(i), {"text": t}, x) for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    assert duplicate_groups(pool).tolist() == groups.tolist()


# --- the same but for how it is written ---------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I top up?", "how do I top-up"),
        ("How do I topup", "how do i top up!"),
        ("Okay", "okay..."),
        ("I can't pay", "I can\u2019t pay."),
        ("I cannot pay", "I can not pay"),
        ("set a timer for 5 minutes", "Set a timer for 30 minutes!"),
        ("my payment of $10.50 failed", "My payment of $1,200 failed."),
        ("where is the parcel 3f9c21b7", "Where is the parcel 77ab10c4?"),
        (
            "delete the file 123e4567-e89b-12d3-a456-426614174000",
            "delete the file 00112233-4455-6677-8899-aabbccddeeff",
        ),
        ("call +44 20 7946 0958 to claim it", "Call +44 161 496 0000 to claim it"),
        (
            "I want to cancel my card because it is lost",
            "I want to cancel my card becqause it is lost",
        ),
        ("Why was my account closed so suddenly today", "why was my accqount closed so suddenly today"),
        ("Почему мой перевод до сих пор не дошёл", "почему мой пееревод до сих пор не дошёл?"),
        ("I'd like that", "I`d like that"),
        ("co\u00adoperate", "cooperate"),
        ("see order_12 for more of this", "see order_77 for more of this"),
        ("今天天气很好。", "今天天气很好"),
    ],
)  # fmt: skip
def test_texts_that_say_the_same_are_one(one, other):
    assert are_one(one, other)
    assert are_one(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cancel card", "cancel cord"),
        ("I can pay", "I can't pay"),
        ("I can pay", "I cant pay"),  # codespell:ignore cant
        ("I can pay with my card in this shop now", "I cant pay with my card in this shop now"),  # codespell:ignore cant
        ("I could pay with my card in this shop now", "I couldn't pay with my card in this shop now"),
        ("yes", "yea"),
        ("card", "cards"),
        ("payment", "paymnet"),
        ("my payment failed", "my paymnet failed"),
        ("please send the package to my old address", "please send the message to my old address"),
        ("I would like to charge my card right now", "I would like to change my card right now"),
        ("it was all quite legal in this country then", "it was all quite illegal in this country then"),
        ("it was all very typical of this whole bank", "it was all very atypical of this whole bank"),
        ("route 66", "route 67"),
        ("version 1.5", "version 15"),
        ("version 1 5", "version 15"),
        ("set to -5", "set to 5"),
        ("2 + 2 = 4", "2 + 2 = 5"),
        ("she has 3 + 4 = 7 apples", "she has 3 + 4 = 8 apples"),
        ("how do I make this an mp3 file", "how do I make this an mp4 file"),
        ("how do I install C++ here", "how do I install C# here"),
        ("how do I install C# here", "how do I install C here"),
        ("please make me a 3d picture now", "please make me a 2d picture now"),
        ("now b64encode the whole text for me", "now b32encode the whole text for me"),
        ("my old mp3player broke in my bag", "my old mp4player broke in my bag"),
        ("I was symptomatic in all of that week", "I was asymptomatic in all of that week"),
        ("where do I find my payment in this list", "where do I find my payments in this list"),
        ("where is the departmxent of this company here", "where is the depyartment of this company here"),
        ("一 二 三 四 五 今天天气很好啊", "一 二 三 四 五 今天天气不好啊"),
        ("how do I use sha256 in this code", "how do I use sha512 in this code"),
        ("great service :)", "great service :("),
        ("great service \U0001f44d", "great service \U0001f44e"),
        ("!!!", "???"),
        ("dog bites man", "man bites dog"),
        ("very good", "very very good"),
        ("今天天气很好我们去公园玩", "今天天气不好我们去公园玩"),
        ("यह कि है", "यह का है"),
    ],
)  # fmt: skip
def test_what_may_mean_something_else_stays_apart(one, other):
    assert not are_one(one, other)


def test_two_words_that_are_both_in_use_are_two_words():
    """Alone in a pool, one of them might be misspelt; each in texts of its own, neither is."""
    a, b = (
        "they talked about the marital law of the land",
        "they talked about the martial law of the land",
    )
    others = [f"{word} matters in {place}" for word in ("marital", "martial") for place in "abcd"]

    assert are_one(a, b)
    assert near_groups([a, b, *others], ["x"] * 10)[:2].tolist() == [0, 1]


def test_a_rare_misspelling_of_a_frequent_word_is_seen_even_where_it_is_short():
    others = [f"my order number {word}" for word in "abcdefghijklmnopqrstuvwxyz"]
    texts = ["when will the order arrive at my place", "when will the oredr arrive at my place"]

    assert near_groups(texts, ["x", "x"]).tolist() == [0, 1]
    assert near_groups([*texts, *others], ["x"] * 28)[:2].tolist() == [0, 0]


@pytest.mark.parametrize(("seen", "one", "other"), [(26, "card", "cord"), (8, "order", "older")])
def test_a_word_that_is_short_or_not_so_rare_is_another_word(seen, one, other):
    others = [f"my {one} number {word}" for word in "abcdefghijklmnopqrstuvwxyz"[:seen]]
    texts = [f"when will the {word} arrive at my place" for word in (one, other)]

    assert near_groups([*texts, *others], ["x"] * (2 + seen))[:2].tolist() == [0, 1]


def test_labels_keep_texts_apart():
    assert near_groups(["Okay!", "okay", "okay."], ["a", "b", "a"]).tolist() == [0, 1, 0]
    twins = ["I cancel it because it is lost", "I cancel it becqause it is lost"]
    assert near_groups(twins * 2, ["a", "b", "b", "a"]).tolist() == [0, 1, 1, 0]


def test_groups_do_not_chain():
    """The first and the last differ in two words: nobody leads that follows."""
    texts = [
        "please transffer the whole payment to my friend",
        "please transfer the whole payment to my friend",
        "please transfer the whole paymennt to my friend",
    ]
    frequent = [f"transfer payment {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]

    groups = near_groups([*texts, *frequent], ["x"] * 29)

    assert groups[:3].tolist() == [0, 0, 2]
    between = near_groups([texts[0], texts[2], texts[1], *frequent], ["x"] * 29)
    assert between[:3].tolist() == [0, 1, 0]


# --- any input ----------------------------------------------------------------------------------


def test_nothing_at_all_is_no_group():
    assert near_groups([], []).tolist() == []
    assert near_groups([], []).dtype == np.int64


def test_texts_without_words_are_equal_only_where_they_are_the_same():
    assert near_groups(["", " ", "\u200b", "...", "?", "..."], ["x"] * 6)[[0, 1, 3, 4, 5]].tolist() == [
        0, 0, 3, 4, 3,
    ]  # fmt: skip


def test_a_label_for_every_text_is_asked_for():
    with pytest.raises(ValueError, match="shorter"):
        near_groups(["a", "b"], ["x"])


def test_half_a_surrogate_pair_is_a_character_like_any_other():
    assert near_groups(["\ud800", "\ud801", "a \ud800", "a \ud800!"], ["x"] * 4)[2:].tolist() == [
        2,
        2,
    ]


def test_long_texts_differ_by_a_word_or_by_its_spelling():
    words = [f"{'abcdefghij'[i % 10] * 3}{'klmnopqrst'[i // 10 % 10]}" for i in range(10_000)]
    words[5000] = "department"
    text = " ".join(words)

    groups = near_groups(
        [text, text.replace("department", "departement"), text.replace("department", "compartment")],
        ["x"] * 3,
    )  # fmt: skip

    assert groups.tolist() == [0, 0, 2]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["a" * 10**5, "1." * 10**5, "a1" * 10**5, ":-" * 10**5, "- " * 10**5]
)
def test_no_text_takes_for_ever(text):
    assert near_groups([text, text + " end"], ["x", "x"])[0] == 0


@pytest.mark.timeout(60)
def test_a_template_with_thousands_of_fillings_takes_no_pairwise_comparison():
    names = ["".join(chr(97 + i // 17**k % 17) for k in range(6)) for i in range(0, 17**6, 1201)]
    texts = [f"dear {name} this is what we offer you" for name in names]

    assert len(texts) > 20_000
    assert len(near_groups(texts, ["x"] * len(texts))) == len(texts)


WORDS = ["how", "do", "I", "can", "can't", "top-up", "Payment", "paymment", "payment", "transfer",
         "transffer", "5", "1.50", "AB12CD34", "?", "...", ":(", "", "+"]  # fmt: skip
texts_of_words = st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join)
texts = st.lists(
    st.tuples(texts_of_words | st.text(max_size=20), st.sampled_from("xy")), max_size=30
)


@given(texts)
def test_groups_are_groups(rows):
    """Every sample belongs to an earlier one of its label that leads its own group."""
    said, labels = [t for t, _ in rows], [x for _, x in rows]

    groups = near_groups(said, labels)

    assert (groups <= np.arange(len(rows))).all()
    assert (groups[groups] == groups).all()
    assert all(labels[i] == labels[g] for i, g in enumerate(groups))
    assert near_groups(said, labels).tolist() == groups.tolist()


@given(texts)
def test_who_looks_the_same_is_in_one_group_and_who_follows_differs_by_a_word_at_most(rows):
    said, labels = [t for t, _ in rows], [x for _, x in rows]
    groups = near_groups(said, labels)

    for i, text in enumerate(said):
        for j in range(i):
            if labels[i] == labels[j] and fingerprint(text) == fingerprint(said[j]):
                assert groups[i] == groups[j]
        own, first = words_said(text), words_said(said[groups[i]])
        if "".join(own) != "".join(first):
            assert sum(a != b for a, b in zip(own, first, strict=True)) == 1
