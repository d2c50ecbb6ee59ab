"""Rows of votes that were given elsewhere: read, or refused with their line and the remedy."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.export.incoming import Reader
from bot.export.intake import intake, sort_out
from bot.opinions import opinions
from storage.models import Arm, ArmState, Vote
from tests.storage.records import T0, at
from trainer.kinds import KINDS

POOL = [
    {"sample_id": "pool-0", "text": "apple", "label": "fruit", "content_sha256": "aa"},
    {"sample_id": "pool-1", "text": "saw", "label": "fruit", "content_sha256": "bb"},
    {"sample_id": "pool-x7", "text": "saw", "label": "tools", "content_sha256": "bb"},
    {"sample_id": "pool-3", "text": "fog", "label": "weather", "content_sha256": "cc"},
]
PAIRS = [{"sample_id": "p", "prompt": "q", "a": "x", "b": "y", "label": "B", "content_sha256": "d"}]
ARM = Arm(arm_id="r1.human", run_id="r1", name="human", position=0, state=ArmState.ACTIVE)
GOOD = {"sample_id": "pool-0", "voter": "ben", "answer": "yes", "at": T0.isoformat()}
TEXTS = KINDS["text-classification"]


def reader(pool=POOL, kind=TEXTS, members=None) -> Reader:
    return Reader(pool, kind, (members or {}).get, T0)


def read(*rows, **how):
    return reader(**how).read(enumerate(rows, 2))


def heard(*rows, pool=POOL, kind=TEXTS):
    """What the team thinks after these rows alone."""
    votes = read(*rows, pool=pool, kind=kind)
    assert not votes.errors
    taken = intake(votes.votes, ARM, 3, kind, reader(pool, kind).labels, T0)
    return opinions(taken.ballots, [
        Vote(**e.model_dump(include=Vote.model_fields.keys() - {"person"}), person=e.voter)
        for e in taken.events
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sample_id": ""}, "no sample is named; fill one of sample_id, external_id"),
        ({"sample_id": "pool-9"}, "sample_id 'pool-9' is not in the run's pool; see: joulery export"),
        ({"voter": " "}, "voter '' is no name"),
        ({"voter": "x\n"}, None),  # white space around a name is nothing
        ({"voter": "a\x00b"}, "is no name"),
        ({"answer": "maybe"}, "answer 'maybe' is none; give yes, no, unsure, bad, or one of the run's"),
        ({"answer": None}, "answer '' is none"),
        ({"at": "yesterday"}, "at 'yesterday' is no time; write it like 2026-11-23T12:00:00"),
        ({"at": "2026-11-23T12:00:00"}, "has no offset; add it"),
        ({"at": (T0 + timedelta(days=1)).isoformat()}, "has not come yet"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "is no time"),  # before the first that can be told
        ({"kind": None}, None),
        ({"label": "weather"}, "about the label 'weather', and the pool files pool-0 under 'fruit'"),
        ({"sample_id": None, "content_sha256": "bb"}, "2 samples have the content bb"),
        ({"sample_id": None, "content_sha256": "ff"}, "not in the run's pool"),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_by_its_line_with_the_remedy(change, said):
    found = read(GOOD, {**GOOD, **change})

    assert len(found.errors) == (said is not None)
    assert found.others == 0
    if said is not None:
        assert found.errors[0].startswith("line 3: ")
        assert said in found.errors[0]


@pytest.mark.parametrize(
    "name",
    [{"sample_id": "pool-x7"}, {"external_id": "x7"}, {"content_sha256": "CC"}],
)
def test_a_sample_is_known_by_id_by_the_datas_own_id_or_by_its_hash(name):
    row = {key: value for key, value in GOOD.items() if key != "sample_id"}

    found = read({**row, **name})

    assert not found.errors
    assert found.votes[0].sample["label"] in ("tools", "weather")


def test_yes_no_and_named_labels_say_what_they_say_on_cards():
    rows = [{**GOOD, "voter": who, "sample_id": "pool-1", "answer": "tools"} for who in "abc"]
    rows += [{**GOOD, "voter": who, "answer": "yes"} for who in "abc"]
    rows += [{**GOOD, "voter": who, "sample_id": "pool-3", "answer": "no"} for who in "abc"]

    by = {said.sample_id: said for said in heard(*rows).opinions.samples}

    assert by["pool-0"].keep > 0.5 > by["pool-3"].keep
    assert by["pool-1"].relabel == "tools"


def test_a_pair_is_voted_on_by_its_sides():
    rows = [{**GOOD, "voter": who, "sample_id": "p", "answer": "A"} for who in "abc"]

    said = heard(*rows, pool=PAIRS, kind=KINDS["preference"]).opinions.samples[0]

    assert dict(said.labels)["A"] > 0.5


def test_where_a_label_is_called_like_an_answer_the_card_decides():
    pool = [{**POOL[0], "label": "yes"}, {**POOL[1], "label": "no"}]
    plain = {**GOOD, "answer": "no"}

    assert read(plain, pool=pool).votes[0].choice.id == "no"  # does 'yes' fit? no
    assert read({**plain, "ask": "which"}, pool=pool).votes[0].label == "no"


def test_of_several_votes_on_one_sample_the_last_counts_and_features_are_left_out():
    found = read(
        {**GOOD, "answer": "no"},
        {**GOOD, "answer": "yes", "at": at(-60).isoformat()},
        {**GOOD, "kind": "feature"},
        {**GOOD, "role": "gold"},
    )

    assert [vote.choice.id for vote in found.votes] == ["no"]
    assert found.others == 2


def test_only_what_is_newer_than_what_stands_is_new():
    members = {"ana": "slack:U1"}
    mine = read({**GOOD, "voter": "ana"}, members=members).votes
    taken = intake(mine, ARM, 0, TEXTS, ("fruit",), T0)

    def standing(moment: datetime) -> list[Vote]:
        event = taken.events[0].model_copy(update={"at": moment, "voter": "web:a"})
        held = event.model_dump(include=Vote.model_fields.keys() - {"person"})
        return [Vote(**held, person="slack:U1")]

    def sorted_out(votes, brought=()):
        found = sort_out(mine, taken.ballots, votes, brought, str)
        return len(found.new), found.known, found.outrun

    assert sorted_out([]) == (1, 0, 0)
    assert sorted_out(standing(at(-5))) == (1, 0, 0)
    assert sorted_out(standing(T0)) == (0, 1, 0)
    assert sorted_out(standing(at(5))) == (0, 0, 1)
    assert sorted_out([], brought=taken.events) == (0, 1, 0)  # it was taken back since
