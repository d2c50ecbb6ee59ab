"""A form for a command without what it needs, or with `?`: Slack completes nothing typed after it.

In a form it does: `external_select` asks us what may be meant while somebody types. Pure.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.base import Option, Verb
from adapters.slack.blocks import Block, option, plain_text

COMMAND, MEANT = "command", "meant"
"""callback_id of the form, and what the action_ids of its fields begin with."""
MAX_SUGGESTED = 100


def wanting(words: str, verbs: Sequence[Verb]) -> Verb | None:
    """The verb that was given alone though it needs more, or with `?`; None where the words will do."""
    name, *rest = words.lower().replace("?", " ?").split() or [""]
    verb = next((v for v in verbs if v.name == name and v.options), None)
    if verb is None or rest not in ([], ["?"]):
        return None
    return verb if rest or any(option.is_required for option in verb.options) else None


def form(verb: Verb, channel: str) -> Block:
    """The modal that asks for a verb's options."""
    return {
        "type": "modal",
        "callback_id": COMMAND,
        "private_metadata": json.dumps({"verb": verb.name, "channel": channel}),
        "title": plain_text(f"/joulery {verb.name}", 24),
        "submit": plain_text("Do it", 24),
        "close": plain_text("Cancel", 24),
        "blocks": [
            {
                "type": "input",
                "block_id": asked.name,
                "optional": not asked.is_required,
                "label": plain_text(f"{asked.name}: {asked.about}", 150),
                "element": _element(asked),
            }
            for asked in verb.options
        ],
    }


def about(view: Mapping[str, Any]) -> tuple[str, str]:
    """(verb, channel) that a form is about.

    Raises:
        ValueError: it is no form of ours.
    """
    kept = json.loads(view["private_metadata"])
    return kept["verb"], kept["channel"]


def words(view: Mapping[str, Any], verbs: Sequence[Verb]) -> str:
    """The command that a filled form stands for, as it would have been typed."""
    name, _ = about(view)
    verb = next(v for v in verbs if v.name == name)
    said = [name]
    for asked in verb.options:
        value = _value(view["state"]["values"].get(asked.name, {}).get(f"{MEANT}-{asked.name}"))
        if not value:
            continue
        if asked.kind == "flag":
            said.append(f"--{asked.name}")
        else:
            typed = shlex.quote(f"slack:{value}" if asked.kind == "member" else value)
            said.append(f"{asked.name}={typed}" if asked.is_named else typed)
    return " ".join(said)


def suggestions(meant: Sequence[str]) -> list[Block]:
    """What may be meant, for Slack to offer."""
    return [option(name, name) for name in meant[:MAX_SUGGESTED]]


def _element(asked: Option) -> Block:
    field: Block = {"action_id": f"{MEANT}-{asked.name}"}
    if asked.kind == "flag":
        return {"type": "checkboxes", "options": [option("yes", asked.about)], **field}
    if asked.kind == "member":
        return {"type": "users_select", **field}
    if asked.choices:
        options = [option(choice, choice) for choice in asked.choices]
        return {"type": "static_select", "options": options, **field}
    if asked.completes:
        return {"type": "external_select", "min_query_length": 0, **field}
    return {"type": "plain_text_input", "max_length": 100, **field}


def _value(given: Mapping[str, Any] | None) -> str:
    """What stands in a field."""
    if given is None:
        return ""
    if chosen := given.get("selected_option"):
        return str(chosen["value"])
    if given.get("selected_options"):
        return "yes"
    return str(given.get("selected_user") or given.get("value") or "").strip()
