"""On a platform the people of another one are called by their names."""

import pytest

from bot.naming import Naming
from storage.models import Member
from tests.storage.records import T0


@pytest.fixture
def naming(store):
    for member_id, name in (
        ("slack:UBO", "Bo <!here>"),
        ("discord:5", "Cy"),
        ("web:dee", "Dee"),
        ("web:new", "Nea"),
    ):
        store.votes.met(Member(member_id=member_id, person_id=member_id, name=name))
    store.members.opt_out("web:dee", T0)
    return Naming(store.votes)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("stopped by slack:UBO.", "stopped by Bo !here."),
        ("slack:UBO and discord:5 are one person", "Bo !here and discord:5 are one person"),
        ("web:dee wants it", "somebody wants it"),
        ("slack:UNEW, slack:gone-1a2b", "slack:UNEW, somebody"),
        (
            "put `slack:UBO` into it; see https://x.org",
            "put `slack:UBO` into it; see https://x.org",
        ),
    ],
)
def test_those_of_elsewhere_are_named_and_its_own_are_left_to_it(naming, said, shown):
    assert naming.named({"text": said}, "discord") == {"text": shown}


def test_on_the_page_all_are_named_but_in_commands_to_be_typed(naming):
    said = "started by slack:UBO; web:new says: allow web:new operator"

    assert naming.named({"text": said}, "web") == {
        "text": "started by Bo !here; Nea says: allow web:new operator"
    }


def test_cards_are_named_all_over_but_questions_are_left_as_they_are(naming):
    run = {"tone": "run", "text": "a", "title": "by slack:UBO", "lines": ["slack:UBO", "b"]}

    named = naming.named(run, "web")

    assert named == run | {"title": "by Bo !here", "lines": ["Bo !here", "b"]}
    question = run | {"tone": "question"}
    assert naming.named(question, "web") == question
