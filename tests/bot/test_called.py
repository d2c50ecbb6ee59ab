"""Who may be meant by a name."""

import pytest

from bot.called import exactly, nearly, shown

KNOWN = {
    "slack:U1": ("Bo", "Bo Smith", "bo"),
    "slack:U2": ("Bo", "Bo Jones", "bjones"),
    "slack:U3": ("Cy", "Cyrus Lee", "cy"),
    "discord:7": ("Émile",),
    "web:ana": ("Ana",),
}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("bo", ["slack:U1", "slack:U2"]),
        ("Bo  SMITH", ["slack:U1"]),
        ("@bjones", ["slack:U2"]),
        ("ÉMILE", ["discord:7"]),
        ("smith", []),
        ("B", []),
        ("", []),
    ],
)
def test_a_name_is_whole_and_capitals_do_not_matter(name, found):
    assert exactly(name, KNOWN) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("smith", ["slack:U1"]),
        ("Anna", ["web:ana"]),
        ("Cyrus", ["slack:U3"]),
        ("Zebedee", []),
        ("", []),
    ],
)
def test_who_is_called_alike_is_offered(name, found):
    assert nearly(name, KNOWN) == found


def test_people_are_shown_with_their_ids_and_names_unless_they_want_none():
    assert shown(["slack:U3", "web:ana"], KNOWN, {"web:ana"}) == (
        "`slack:U3` (Cy, Cyrus Lee, cy), `web:ana`"
    )
