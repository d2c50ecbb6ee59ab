"""What the app may do, and what each call of ours needs: the manifest is tested against this. Pure."""

from __future__ import annotations

from typing import Final

NEEDED: Final[dict[str, str]] = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.open": "im:write",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "reactions.add": "reactions:write",
    "reactions.get": "reactions:read",
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "users.info": "users:read",
    "users.list": "users:read",
}
"""Web API method -> bot scope."""
FREE: Final = frozenset({"auth.test", "views.open", "views.publish"})
"""Methods that need a token, but no scope."""

OPTIONAL: Final = {
    "groups:history": "private channels",
    "im:write": "direct messages to people outside the channel",
    "usergroups:read": "user groups in access lists",
}
"""Scopes the bot can live without -> what is missing then."""

REQUIRED: Final = frozenset(NEEDED.values()) - OPTIONAL.keys() | {"commands"}
APP_SCOPE: Final = "connections:write"
"""Of the app-level token, for Socket Mode."""
EVENTS: Final = frozenset(
    {"app_home_opened", "message.channels", "message.groups", "reaction_added", "reaction_removed"}
)
"""Events the app subscribes to: an event without a listener is never acknowledged."""
COMMAND: Final = "/joulery"
