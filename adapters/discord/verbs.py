"""Verbs as one application command with typed options, and back into the words the house knows. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import Option, Verb

NAME = "joulery"
SUBCOMMAND, KINDS = 1, {"text": 3, "number": 4, "flag": 5, "member": 9}
MAX_CHOICES, MAX_TEXT = 25, 100

Json = dict[str, Any]


def payload(verbs: Sequence[Verb]) -> list[Json]:
    """The commands to sync; everybody sees them, who may use them is decided on our side."""
    return [
        {
            "name": NAME,
            "description": "Steer a training run",
            "type": 1,
            "options": [
                {
                    "type": SUBCOMMAND,
                    "name": verb.name,
                    "description": verb.about[:MAX_TEXT],
                    "options": [_option(option) for option in verb.options],
                }
                for verb in verbs
            ],
        }
    ]


def digest(commands: Sequence[Json]) -> str:
    """What changes when the commands do."""
    return hashlib.sha256(json.dumps(commands, sort_keys=True).encode()).hexdigest()


def words(verbs: Sequence[Verb], data: Mapping[str, Any]) -> str:
    """A command as it would be typed: `start tiny seed=1 --control`."""
    name, given = _given(data)
    verb = next((v for v in verbs if v.name == name), Verb(name=name, about=""))
    written = [
        _written(option, given[option.name]) for option in verb.options if option.name in given
    ]
    return " ".join([name, *(word for word in written if word)])


def focused(data: Mapping[str, Any]) -> tuple[str, str, str]:
    """(verb, option, what was typed so far) of somebody who types an option."""
    [verb] = data["options"]
    option = next(o for o in verb["options"] if o.get("focused"))
    return verb["name"], option["name"], str(option["value"])


def _given(data: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    [verb] = data["options"]
    resolved = data.get("resolved", {})
    given = {}
    for option in verb.get("options", ()):
        value = option["value"]
        if option["type"] == KINDS["member"]:
            is_role = value in resolved.get("roles", {})
            value = f"discord:{'role-' if is_role else ''}{value}"
        given[option["name"]] = value
    return verb["name"], given


def _written(option: Option, value: Any) -> str:
    if option.kind == "flag":
        return f"--{option.name}" if value else ""
    parts = str(value).split()
    return f"{option.name}={''.join(parts)}" if option.is_named else " ".join(parts)


def _option(option: Option) -> Json:
    shown: Json = {
        "type": KINDS[option.kind],
        "name": option.name,
        "description": option.about[:MAX_TEXT],
        "required": option.is_required,
    }
    if option.choices:
        shown["choices"] = [{"name": c, "value": c} for c in option.choices[:MAX_CHOICES]]
    if option.completes:
        shown["autocomplete"] = True
    return shown
