"""The Web API methods, with the errors of the real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.fake_slack.limits import check_blocks, check_view
from tests.fake_slack.workspace import APP, BOT_ID, BOT_USER, TEAM, Message, SlackError, Workspace

Args = dict[str, Any]
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "chat.postEphemeral": "chat:write",
    "reactions.add": "reactions:write",
    "reactions.remove": "reactions:write",
    "reactions.get": "reactions:read",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.info": "channels:read",
    "conversations.members": "channels:read",
    "conversations.join": "channels:join",
    "conversations.open": "im:write",
    "users.info": "users:read",
    "users.list": "users:read",
    "usergroups.list": "usergroups:read",
    "usergroups.users.list": "usergroups:read",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "apps.connections.open": "connections:write",
}
KNOWN_EMOJI = frozenset(
    [
        "+1",
        "-1",
        "thumbsup",
        "thumbsdown",
        "white_check_mark",
        "x",
        "shrug",
        "question",
        "thinking_face",
        "fire",
        "a",
        "b",
        "no_entry_sign",
        "wastebasket",
        "left_right_arrow",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "keycap_ten",
        "tada",
        "eyes",
    ]
)
TRIGGER_LIFE_S = 3.0


class Methods:
    """One method per Web API call; what they return is merged into `{"ok": true}`."""

    def __init__(self, workspace: Workspace, url: Callable[[], str], tickets: set[str]) -> None:
        self.workspace, self._url, self._tickets = workspace, url, tickets
        self.post_interval_s = 1.0
        self.user_list_limit: int | None = None
        self.triggers: dict[str, float] = {}
        self._last_post: dict[str, float] = {}

    def call(self, method: str, args: Args) -> dict[str, Any]:
        do = getattr(self, "do_" + method.replace(".", "_"), None)
        if do is None:
            raise SlackError("unknown_method", req_method=method)
        found: dict[str, Any] = do(args)
        return found

    # --- who and where --------------------------------------------------------------------------

    def do_auth_test(self, _: Args) -> dict[str, Any]:
        return {
            "url": "https://fake.slack.com/", "team": "Fake", "user": "joulery", "team_id": TEAM,
            "user_id": BOT_USER, "bot_id": BOT_ID,
        }  # fmt: skip

    def do_apps_connections_open(self, _: Args) -> dict[str, Any]:
        ticket = f"secret-ticket-{next(self.workspace.numbers)}"
        self._tickets.add(ticket)
        socket = self._url().replace("http", "ws", 1).removesuffix("api/")
        return {"url": f"{socket}link?ticket={ticket}"}

    def do_users_list(self, args: Args) -> dict[str, Any]:
        everybody, start = list(self.workspace.users.values()), int(args.get("cursor") or 0)
        end = start + min(int(args.get("limit") or 1000), 1000)
        cursor = str(end) if end < len(everybody) else ""
        return {
            "members": everybody[start:end], "response_metadata": {"next_cursor": cursor},
        }  # fmt: skip

    def do_users_info(self, args: Args) -> dict[str, Any]:
        user = self.workspace.users.get(args["user"])
        if user is None:
            raise SlackError("user_not_found")
        return {"user": user | ({"locale": "nl-NL"} if args.get("include_locale") else {})}

    def do_usergroups_list(self, _: Args) -> dict[str, Any]:
        return {"usergroups": [{"id": g, "handle": g.lower()} for g in self.workspace.usergroups]}

    def do_usergroups_users_list(self, args: Args) -> dict[str, Any]:
        users = self.workspace.usergroups.get(args["usergroup"])
        if users is None:
            raise SlackError("no_such_subteam")
        return {"users": users}

    def do_conversations_open(self, args: Args) -> dict[str, Any]:
        if args["users"] not in self.workspace.users:
            raise SlackError("user_not_found")
        return {"channel": {"id": "D" + args["users"][1:]}}

    def do_conversations_join(self, args: Args) -> dict[str, Any]:
        channel = self.workspace.channel(args["channel"])
        if channel.is_private:
            raise SlackError("method_not_supported_for_channel_type")
        channel.members.add(BOT_USER)
        return {"channel": {"id": channel.id}}

    # --- messages -------------------------------------------------------------------------------

    def do_chat_postMessage(self, args: Args) -> dict[str, Any]:  # noqa: N802 -- Slack's name
        channel = args["channel"]
        if not channel.startswith("D"):
            self._is_open(channel)
        self._pace(channel)
        text, blocks = self._content(args)
        message = Message(
            channel, self.workspace.next_ts(), BOT_USER, text[:40_000],
            thread_ts=args.get("thread_ts"), bot_id=BOT_ID, blocks=blocks,
            metadata=args.get("metadata"),
        )  # fmt: skip
        self.workspace.add(message)
        return {"channel": channel, "ts": message.ts, "message": message.as_json()}

    def do_chat_update(self, args: Args) -> dict[str, Any]:
        self._is_open(args["channel"])
        message = self.workspace.message(args["channel"], args["ts"])
        if message.user != BOT_USER:
            raise SlackError("cant_update_message")
        message.text, message.blocks = self._content(args)
        if "metadata" in args:
            message.metadata = args["metadata"]
        return {"channel": message.channel, "ts": message.ts, "text": message.text}

    def do_chat_postEphemeral(self, args: Args) -> dict[str, Any]:  # noqa: N802 -- Slack's name
        channel = self._is_open(args["channel"])
        if args["user"] not in channel.members:
            raise SlackError("user_not_in_channel")
        self._content(args)
        thread = args.get("thread_ts")
        if thread is None or len(self.workspace.thread(args["channel"], thread)) > 1:
            self.workspace.whispers.append(args)  # else Slack takes it and shows it to nobody
        return {"message_ts": self.workspace.next_ts()}

    def do_conversations_history(self, args: Args) -> dict[str, Any]:
        self._is_open(args["channel"])
        oldest, latest = float(args.get("oldest", 0)), float(args.get("latest", "inf"))
        found = [
            m for m in self.workspace.top_level(args["channel"])
            if oldest < float(m.ts) < latest
            or (_flag(args, "inclusive") and float(m.ts) in (oldest, latest))
        ]  # fmt: skip
        return self._page(found, args)

    def do_conversations_replies(self, args: Args) -> dict[str, Any]:
        self._is_open(args["channel"])
        return self._page(self.workspace.thread(args["channel"], args["ts"]), args)

    # --- reactions ------------------------------------------------------------------------------

    def do_reactions_add(self, args: Args) -> dict[str, Any]:
        self._is_open(args["channel"])
        message = self.workspace.message(args["channel"], args["timestamp"])
        if args["name"].partition("::")[0] not in KNOWN_EMOJI:
            raise SlackError("invalid_name")
        users = message.reactions.setdefault(args["name"], [])
        if BOT_USER in users:
            raise SlackError("already_reacted")
        if len(message.reactions) > 23:
            raise SlackError("too_many_emoji")
        users.append(BOT_USER)
        return {}

    def do_reactions_get(self, args: Args) -> dict[str, Any]:
        self._is_open(args["channel"])
        message = self.workspace.message(args["channel"], args["timestamp"])
        shown = message.as_json() | {"reactions": message.marks(self.user_list_limit)}
        return {"type": "message", "channel": message.channel, "message": shown}

    # --- files ----------------------------------------------------------------------------------

    def do_files_getUploadURLExternal(self, args: Args) -> dict[str, Any]:  # noqa: N802 -- Slack's
        if int(args["length"]) <= 0:
            raise SlackError("invalid_arguments")
        file_id = f"F{next(self.workspace.numbers):06d}"
        self.workspace.files[file_id] = {
            "id": file_id, "name": args["filename"], "alt_txt": args.get("alt_txt", ""),
        }  # fmt: skip
        return {"file_id": file_id, "upload_url": f"{self._url()}upload/{file_id}"}

    def do_files_completeUploadExternal(self, args: Args) -> dict[str, Any]:  # noqa: N802 -- Slack's
        files = []
        for item in args["files"]:
            file = self.workspace.files[item["id"]]
            if "size" not in file:
                raise SlackError("file_not_found")
            files.append(file | {"title": item.get("title", "")})
        if channel := args.get("channel_id"):
            self._is_open(channel)
            self.workspace.add(
                Message(
                    channel,
                    self.workspace.next_ts(),
                    BOT_USER,
                    args.get("initial_comment") or "",
                    thread_ts=args.get("thread_ts"),
                    bot_id=BOT_ID,
                    subtype="file_share",
                    files=files,
                )
            )
        return {"files": files}

    # --- views ----------------------------------------------------------------------------------

    def do_views_open(self, args: Args) -> dict[str, Any]:
        born = self.triggers.pop(args["trigger_id"], None)
        if born is None:
            raise SlackError("exchanged_trigger_id")
        if self.workspace.clock() - born > TRIGGER_LIFE_S:
            raise SlackError("expired_trigger_id")
        check_view(args["view"])
        number = next(self.workspace.numbers)
        view = args["view"] | {"id": f"V{number:06d}", "hash": f"{number}.abc", "app_id": APP}
        self.workspace.views[view["id"]] = view
        return {"view": view}

    def do_views_publish(self, args: Args) -> dict[str, Any]:
        check_view(args["view"])
        self.workspace.homes[args["user_id"]] = args["view"]
        return {"view": args["view"]}

    # --- helpers --------------------------------------------------------------------------------

    def _is_open(self, channel_id: str) -> Any:
        channel = self.workspace.channel(channel_id)
        if channel.is_archived:
            raise SlackError("is_archived")
        if BOT_USER not in channel.members:
            raise SlackError("not_in_channel")
        return channel

    def _pace(self, channel: str) -> None:
        now = self.workspace.clock()
        if now - self._last_post.get(channel, 0.0) < self.post_interval_s:
            raise TooFast
        self._last_post[channel] = now

    def _content(self, args: Args) -> tuple[str, list[dict[str, Any]]]:
        text, blocks = args.get("text") or "", args.get("blocks") or []
        if not text and not blocks:
            raise SlackError("no_text")
        check_blocks(blocks)
        return text, blocks

    def _page(self, found: Sequence[Message], args: Args) -> dict[str, Any]:
        limit, start = int(args.get("limit", 100)), int(args.get("cursor") or 0)
        shown = found[start : start + limit]
        more = start + limit < len(found)
        with_metadata = _flag(args, "include_all_metadata")
        return {
            "messages": [m.as_json(with_metadata=with_metadata) for m in shown],
            "has_more": more,
            "response_metadata": {"next_cursor": str(start + limit) if more else ""},
        }


class TooFast(Exception):  # noqa: N818 -- a signal
    """More than one post a second in a channel."""


def _flag(args: Args, name: str) -> bool:
    return str(args.get(name, "")).lower() in ("1", "true")


def read_args(raw: dict[str, Any]) -> Args:
    """Arguments as the method means them: JSON in forms and queries is read."""
    structured = ("blocks", "metadata", "view", "files")
    return {
        name: json.loads(value) if name in structured and isinstance(value, str) else value
        for name, value in raw.items()
    }
