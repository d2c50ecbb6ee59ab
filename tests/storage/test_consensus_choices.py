"""From choices and names to classes: small tables worked by hand, then teams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.consensus import SOMETHING_ELSE, Choice, YesNo, aggregate


def choices(table):
    """`{"item": "ana=cat bo=dog"}`: ana says cat, bo says dog."""
    return [
        Choice(item, *name.split("=")) for item, names in table.items() for name in names.split()
    ]


def top(of):
    return max(of, key=of.__getitem__)


# --- a smoothed majority ------------------------------------------------------------------------


def test_one_choice_counts_beside_one_undecided_answer():
    """One A of three sides: (1 + 1/3) / (1 + 1) = 2/3, the others (0 + 1/3) / 2 = 1/6 each."""
    found = aggregate(choices({"pair": "ana=A"}), labels=("A", "B", "tie"))

    assert found.classes["pair"] == pytest.approx({"A": 2 / 3, "B": 1 / 6, "tie": 1 / 6})
    assert (found.posterior, found.method) == ({}, "shares")


def test_a_name_says_that_the_given_label_does_not_fit_and_what_does():
    """Of one answer none is for the given label: (0 + .5) / 2 = .25.

    Of the other .75 one name and one undecided answer get half each.
    """
    found = aggregate(choices({"a": "ana=cat"}), given={"a": "dog"})

    assert found.posterior == {"a": 0.25}
    assert found.classes["a"] == pytest.approx({"dog": 0.25, "cat": 0.375, SOMETHING_ELSE: 0.375})


def test_naming_the_given_label_is_a_yes():
    given_ = {"a": "dog"}
    named = aggregate(choices({"a": "ana=dog"}), given=given_)

    assert named.posterior == aggregate([YesNo("a", "ana", True)], given=given_).posterior


def test_something_else_is_an_answer():
    found = aggregate([Choice("a", "ana", SOMETHING_ELSE)], given={"a": "dog"})

    assert found.classes["a"] == pytest.approx({"dog": 0.25, SOMETHING_ELSE: 0.75})


def test_an_item_that_is_judged_and_named_needs_its_given_label():
    with pytest.raises(ValueError, match="'a' was judged and named"):
        aggregate([YesNo("a", "ana", False), *choices({"a": "bo=cat"})])


def test_gold_of_a_choice_is_a_label():
    with pytest.raises(ValueError, match="says nothing"):
        aggregate(choices({"a": "ana=cat"}), {"a": True})


# --- both kinds of answer in one posterior ------------------------------------------------------


def test_two_names_outweigh_a_no_that_names_nothing():
    cast = [
        *choices({"a": "ana=cat bo=cat", "b": "ana=dog bo=dog"}),
        YesNo("a", "cy", False),
        YesNo("b", "cy", True),
    ]

    found = aggregate(cast, given={"a": "dog", "b": "dog"}, labels=("cat", "dog", "cow"))

    assert top(found.classes["a"]) == "cat"
    assert found.classes["a"]["cat"] > 0.6
    assert found.posterior["a"] < 0.1 < 0.9 < found.posterior["b"]


def test_items_with_and_without_a_given_label_may_come_together():
    cast = [*choices({"free": "ana=cat bo=cat", "a": "ana=cat bo=cat"}), YesNo("b", "ana", True)]

    found = aggregate(cast, given={"a": "dog", "b": "dog"}, labels=("cat", "dog", "cow"))

    assert found.classes["free"].keys() == {"cat", "dog", "cow", SOMETHING_ELSE}
    assert found.classes["a"].keys() == {"cat", "dog", SOMETHING_ELSE}
    assert found.posterior.keys() == {"a", "b"}
    assert top(found.classes["free"]) == top(found.classes["a"]) == "cat"


@pytest.mark.parametrize("is_yes", [False, True])
def test_who_judges_and_names_has_one_voice_and_the_name_counts(is_yes):
    named = choices({"a": "ana=cat bo=cat", "b": "ana=dog bo=dog"})
    given_ = {"a": "dog", "b": "dog"}

    assert aggregate([*named, YesNo("a", "ana", is_yes)], given=given_) == aggregate(
        named, given=given_
    )


def test_no_without_a_name_leaves_open_what_it_is():
    cast = [YesNo("a", "ana", False), YesNo("a", "bo", False), YesNo("b", "ana", True)]

    found = aggregate(cast, given={"a": "dog", "b": "cat"}, labels=("cat", "dog"))

    assert found.classes["a"].keys() == {"dog", SOMETHING_ELSE}
    assert top(found.classes["a"]) == SOMETHING_ELSE


def test_who_is_right_when_judging_is_trusted_when_naming():
    """ana and bo judged 20 items alike, cy at random; on `new` ana names cat, cy cow."""
    rng = np.random.default_rng(0)
    truth = rng.random(20) < 0.5
    cast = [YesNo(f"i{n:02d}", who, bool(t)) for n, t in enumerate(truth) for who in ("ana", "bo")]
    cast += [YesNo(f"i{n:02d}", "cy", bool(rng.random() < 0.5)) for n in range(20)]
    cast += choices({"new": "ana=cat cy=dog"})
    given_ = {f"i{n:02d}": "dog" for n in range(20)} | {"new": "dog"}

    found = aggregate(cast, given=given_, labels=("cat", "dog", "cow"))

    assert found.method == "dawid-skene"
    assert found.posterior["new"] < 0.3
    assert top(found.classes["new"]) == "cat"


def mixed_team(rng, n=120, labels=77, accuracy=(0.9,) * 5, lazy=(), per_item=5):
    """(answers, given, truth): half of the items are judged, half chosen; 45 % fit, 28 % nothing.

    `lazy` voters confirm whatever is given.
    """
    names = [f"c{k:02d}" for k in range(labels)]
    given_ = rng.integers(labels, size=n)
    truth = [
        names[g] if u < 0.45 else SOMETHING_ELSE if u < 0.73 else names[(g + shift) % labels]
        for g, u, shift in zip(given_, rng.random(n), rng.integers(1, labels, size=n), strict=True)
    ]
    cast = []
    for i, (g, t) in enumerate(zip(given_, truth, strict=True)):
        for who in rng.choice(5, per_item, replace=False):
            is_right = rng.random() < accuracy[who]
            wrong = rng.choice([x for x in (names[g], SOMETHING_ELSE, names[i % labels]) if x != t])
            said = names[g] if who in lazy else t if is_right else str(wrong)
            item, voter = f"i{i:03d}", f"v{who}"
            if i % 2:
                cast.append(YesNo(item, voter, said == names[g]))
            else:
                cast.append(Choice(item, voter, said))
    return cast, {f"i{i:03d}": names[g] for i, g in enumerate(given_)}, truth, names


@pytest.mark.parametrize("labels", [6, 77])
def test_people_who_confirm_whatever_is_given_are_found_out(labels):
    cast, given_, truth, names = mixed_team(np.random.default_rng(1), labels=labels, lazy=(0, 1))

    found = aggregate(cast, given=given_, labels=names)

    fits = [g == t for g, t in zip(given_.values(), truth, strict=True)]
    assert (
        np.mean([(found.posterior[i] > 0.5) == f for i, f in zip(given_, fits, strict=True)]) > 0.9
    )
    assert found.voters["v0"].right_on_bad < 0.2
    assert found.voters["v3"].accuracy > found.voters["v0"].accuracy + 0.2


def test_what_a_team_names_is_mostly_right():
    cast, given_, truth, names = mixed_team(np.random.default_rng(2))

    found = aggregate(cast, given=given_, labels=names)

    named = [
        (label, t)
        for (item, g), t in zip(given_.items(), truth, strict=True)
        for label, p in found.classes[item].items()
        if p > 0.5 and label not in (g, SOMETHING_ELSE)
    ]
    assert len(named) > 10
    assert np.mean([label == t for label, t in named]) > 0.9


# --- few classes, shared by all items: a confusion matrix each ----------------------------------


def team(confusions, per_item, seed, items=150):
    """(answers, truth) of voters with a (K, K) confusion matrix each; classes are unequal."""
    rng = np.random.default_rng(seed)
    k = len(confusions[0])
    truth = rng.choice(k, items, p=np.arange(1, k + 1) / (k * (k + 1) / 2))
    cast = [
        Choice(f"i{i:03d}", f"v{who}", f"c{rng.choice(k, p=confusions[who][t])}")
        for i, t in enumerate(truth)
        for who in rng.choice(len(confusions), per_item, replace=False)
    ]
    return cast, {f"i{i:03d}": f"c{t}" for i, t in enumerate(truth)}


def coin(right, k=4):
    return np.full((k, k), (1 - right) / (k - 1)) + np.eye(k) * (right - (1 - right) / (k - 1))


def clicker(k=4):
    """Always the first class."""
    return np.full((k, k), 0.01) + np.eye(k)[0] * (1 - 0.01 * k)


def confuser(k=4):
    """Takes class 2 for class 3 and the other way round; else good."""
    table = coin(0.9, k)
    table[[2, 3]] = table[[3, 2]]
    return table


def share_right(classes, truth):
    return np.mean([top(of) == truth[item] for item, of in classes.items()])


def plurality(cast, truth):
    """Share of right items when votes are counted; a tie is right in proportion."""
    said = {item: [v.label for v in cast if v.item == item] for item in truth}
    best = {
        i: [x for x in set(of) if of.count(x) == max(map(of.count, of))] for i, of in said.items()
    }
    return np.mean([(truth[i] in of) / len(of) for i, of in best.items()])


@pytest.mark.parametrize(
    ("confusions", "gain"),
    [
        pytest.param([clicker()] * 2 + [coin(0.85)] * 3, 0.05, id="two always click the first"),
        pytest.param([coin(0.25)] * 2 + [coin(0.8)] * 3, 0.05, id="two click anything"),
        pytest.param([confuser()] * 2 + [coin(0.8)] * 3, 0.02, id="two mix classes up"),
        pytest.param([coin(0.9)] * 5, -0.005, id="all good"),
        pytest.param([coin(0.6)] * 5, -0.02, id="all weak"),
    ],
)
@pytest.mark.parametrize("per_item", [3, 5])
def test_a_team_is_at_least_as_good_as_counting_its_votes(confusions, gain, per_item):
    gains = []
    for seed in range(3):
        cast, truth = team(confusions, per_item, seed)
        gains.append(share_right(aggregate(cast).classes, truth) - plurality(cast, truth))

    assert np.mean(gains) > gain


def test_who_is_good_at_which_class():
    cast, _ = team([confuser()] + [coin(0.85)] * 4, 5, seed=0)

    found = aggregate(cast)

    mixes_up, other = found.voters["v0"].of_class, found.voters["v1"].of_class
    assert mixes_up["c3"].high < other["c3"].low
    assert mixes_up["c0"].mean > 0.6
    assert found.voters["v0"].choosing.mean < found.voters["v1"].choosing.mean
    assert found.voters["v1"].accuracy == found.voters["v1"].choosing.mean


def test_with_little_said_a_class_is_shrunk_to_what_the_voter_is_elsewhere():
    """ana chose c0 thrice on gold and was never asked about c1; she was right all the time.

    Over all classes (3 + 3) / (3 + 4) = 6/7. Four such answers are the prior of each class:
    of c0 (3 + 4 * 6/7) / 7 = .9184, of c1 6/7 = .857.
    """
    gold = {f"g{n}": "c0" for n in range(3)}
    found = aggregate(choices(dict.fromkeys(gold, "ana=c0 bo=c0")), gold, labels=("c0", "c1"))

    of_class = found.voters["ana"].of_class
    assert of_class["c0"].mean == pytest.approx((3 + 24 / 7) / 7)
    assert of_class["c1"].mean == pytest.approx(6 / 7)
    assert (of_class["c0"].votes, of_class["c1"].votes) == pytest.approx((3, 0))
    assert of_class["c1"].low < of_class["c0"].low


def test_judging_tells_who_is_good_at_which_given_label_too():
    """ana says yes to every dog; bo is right."""
    truth = {f"{label}{n}": n % 2 == 0 for label in ("cat", "dog") for n in range(8)}
    cast = [YesNo(item, "bo", fits) for item, fits in truth.items()]
    cast += [YesNo(item, "ana", fits or item[:3] == "dog") for item, fits in truth.items()]

    found = aggregate(cast, truth, {item: item[:3] for item in truth})

    ana = found.voters["ana"].of_class
    assert ana["cat"].mean > ana["dog"].mean + 0.2
    assert found.voters["bo"].of_class["dog"].mean > 0.85


def test_many_labels_have_no_reliability_each():
    cast, given_, _, names = mixed_team(np.random.default_rng(0), labels=77)

    assert aggregate(cast, given=given_, labels=names).voters["v0"].of_class == {}


def plain_dawid_skene(cast, steps=300):
    """{item: class} by the EM of Dawid and Skene (1979), without any prior."""
    items, voters, names = (
        sorted({getattr(v, name) for v in cast}) for name in ("item", "voter", "label")
    )
    said = np.zeros((len(items), len(voters), len(names)))
    for v in cast:
        said[items.index(v.item), voters.index(v.voter), names.index(v.label)] = 1
    belief = said.sum(axis=1) / said.sum(axis=(1, 2))[:, None]
    for _ in range(steps):
        confusion = np.einsum("nk,nvj->vkj", belief, said)
        confusion /= confusion.sum(axis=2, keepdims=True)
        logs = np.einsum("nvj,vkj->nk", said, np.log(np.clip(confusion, 1e-9, 1)))
        belief = belief.mean(axis=0) * np.exp(logs - logs.max(axis=1, keepdims=True))
        belief /= belief.sum(axis=1, keepdims=True)
    return {item: names[k] for item, k in zip(items, belief.argmax(axis=1), strict=True)}


def test_with_many_votes_priors_fade_and_plain_dawid_skene_is_left():
    cast, _ = team([confuser(), coin(0.5), coin(0.7), coin(0.8), clicker()], 5, 0, items=800)

    found, plain = aggregate(cast), plain_dawid_skene(cast)

    assert found.method == "dawid-skene"
    assert np.mean([top(found.classes[item]) == plain[item] for item in plain]) > 0.97


# --- whatever is said ---------------------------------------------------------------------------

labels_ = st.sampled_from(["cat", "dog", "cow", SOMETHING_ELSE])
cells = st.tuples(st.sampled_from("abcd"), st.sampled_from(["ana", "bo", "cy"]))
mixtures = st.dictionaries(cells, labels_ | st.booleans(), min_size=1, max_size=12).map(
    lambda said: [
        YesNo(*cell, answer) if isinstance(answer, bool) else Choice(*cell, answer)
        for cell, answer in said.items()
    ]
)
golds = st.dictionaries(st.sampled_from("abcd"), labels_ | st.booleans(), max_size=2)


@given(mixtures, golds, st.booleans())
def test_every_class_that_was_named_has_a_probability(cast, gold, all_labels):
    given_ = dict.fromkeys("abcd", "dog")
    labels = ("cat", "dog", "cow") if all_labels else ()

    found = aggregate(cast, gold, given_, labels)

    asked = {a.item for a in cast} - gold.keys()
    assert found.classes.keys() == found.posterior.keys() == asked
    for item, of in found.classes.items():
        assert sum(of.values()) == pytest.approx(1)
        assert all(0 <= p <= 1 for p in of.values())
        assert of["dog"] == found.posterior[item]
        named = {a.label for a in cast if isinstance(a, Choice) and a.item == item}
        assert named | {"dog", SOMETHING_ELSE} == of.keys()
    assert all(len(voter.of_class) <= 3 for voter in found.voters.values())


@given(mixtures)
def test_free_choices_are_shared_among_all_labels(cast):
    cast = [a for a in cast if isinstance(a, Choice) and a.label != SOMETHING_ELSE]

    found = aggregate(cast, labels=("cat", "dog", "cow"))

    assert found.posterior == {}
    for of in found.classes.values():
        assert of.keys() == {"cat", "dog", "cow"}
        assert sum(of.values()) == pytest.approx(1)
