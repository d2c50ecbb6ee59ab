"""The guard of the web chat: each attack is refused, each refusal is plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from adapters.base import Ref
from adapters.web.platform import WebChat
from tests.adapters.cards import QUESTION
from tests.adapters.drivers import CHANNEL, Ears
from tests.adapters.raw_http import Answer, ask, chunked

UP = "/api/messages/1/reactions/up"


class Session:
    """A logged-in person who can leave out any header."""

    def __init__(self, url: str, cookie: str, csrf: str) -> None:
        self.url = url
        self.headers = {
            "Cookie": cookie,
            "Origin": url,
            "X-CSRF-Token": csrf,
            "Idempotency-Key": "k1",
        }

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        changes: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """Ask with all the right headers but for these changes (None: leave it out)."""
        changed = {**self.headers, **(changes or {})}
        headers = {name: value for name, value in changed.items() if value is not None}
        return await ask(self.url, method, path, headers, body)


@pytest.fixture
async def card(demo: WebChat) -> Ref:
    return await demo.post_card(CHANNEL, QUESTION, "k")


@pytest.fixture
async def ana(demo: WebChat, card: Ref) -> Session:
    token = demo.entry_url().partition("token=")[2]
    body = json.dumps({"token": token, "name": "Ana"}).encode()
    answer = await ask(demo.url, "POST", "/enter", {"Origin": demo.url}, body)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    return Session(demo.url, cookie, json.loads(answer.body)["csrf"])


async def test_a_proper_write_passes(ana: Session, ears: Ears) -> None:
    answer = await ana.ask("POST", UP)

    assert answer.status == 200
    assert len(ears.events) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"Host": "evil.example"}, 421, id="another host (DNS rebinding)"),
        pytest.param({"Host": "127.0.0.1:1"}, 421, id="another port"),
        pytest.param({"Cookie": None}, 401, id="no cookie"),
        pytest.param({"Cookie": "joulery=guessed"}, 401, id="a guessed cookie"),
        pytest.param({"Origin": None}, 403, id="no origin"),
        pytest.param({"Origin": "null"}, 403, id="a sandboxed page"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, 403, id="another port of this machine"),
        pytest.param({"X-CSRF-Token": None}, 403, id="no token"),
        pytest.param({"X-CSRF-Token": "wrong"}, 403, id="a wrong token"),
        pytest.param({"Idempotency-Key": None}, 400, id="no key"),
        pytest.param({"Idempotency-Key": "x" * 81}, 400, id="an endless key"),
    ],
)
async def test_a_doubtful_write_is_refused_and_changes_nothing(
    ana: Session, demo: WebChat, card: Ref, ears: Ears, changes: dict[str, str | None], status: int
) -> None:
    answer = await ana.ask("POST", UP, changes=changes)

    assert answer.status == status
    assert json.loads(answer.body)["error"].endswith(".")
    assert ears.events == []
    assert (await demo.snapshot(card)).reactions == {}


@pytest.mark.parametrize("path", ["/", "/events", "/api/messages", "/files/x", "/nowhere"])
async def test_strangers_see_nothing(demo: WebChat, path: str) -> None:
    answer = await ask(demo.url, "GET", path)

    assert answer.status == 401


async def test_a_stranger_with_a_browser_reads_a_friendly_page(demo: WebChat) -> None:
    answer = await ask(demo.url, "GET", "/", {"Accept": "text/html"})

    assert answer.status == 401
    assert "can make you a link" in answer.body


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({}, b'{"text": "%s"}' % (b"x" * 9000), id="with its length"),
        pytest.param(
            {"Transfer-Encoding": "chunked"},
            chunked(b'{"text": "', *[b"x" * 1000] * 9, b'"}'),
            id="without a length",
        ),
    ],
)
async def test_a_body_over_8_kib_is_not_read(
    ana: Session, ears: Ears, headers: dict[str, str], body: bytes
) -> None:
    answer = await ana.ask("POST", "/api/messages/1/replies", body, headers)

    assert answer.status == 413
    assert ears.events == []


@pytest.mark.parametrize(
    "path",
    [
        "/static/../platform.py",
        "/static/..%2f..%2fplatform.py",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static//etc/passwd",
        "/static/vendor/../../state.py",
        "/files/../chat.sqlite",
        "/files/..%2fchat.sqlite",
        "/files/" + "0" * 64 + ".svg",
        "/static/",
    ],
)
async def test_only_static_files_and_pictures_are_served(ana: Session, path: str) -> None:
    answer = await ana.ask("GET", path)

    assert answer.status in (403, 404)
    assert "import" not in answer.body


@pytest.mark.parametrize("path", ["/", "/enter", "/static/style.css", "/api/messages", "/nowhere"])
async def test_every_answer_forbids_what_the_page_does_not_need(ana: Session, path: str) -> None:
    headers = (await ana.ask("GET", path)).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; connect-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(demo: WebChat) -> None:
    token = demo.entry_url().partition("token=")[2]
    body = json.dumps({"token": token, "name": "Ana"}).encode()

    answer = await ask(demo.url, "POST", "/enter", {"Origin": demo.url}, body)

    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"not json", b'{"text": 5}', b'{"text": "a", "more": 1}', b"\xff\xfe"],
)
async def test_a_body_that_makes_no_sense_is_refused(ana: Session, body: bytes) -> None:
    answer = await ana.ask("POST", "/api/messages", body)

    assert answer.status == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/messages/999/reactions/up", b"", 404),
        ("POST", "/api/messages/1/reactions/zzz", b"", 404),
        ("POST", "/api/messages/1/press", b'{"choice": "nope"}', 404),
        ("POST", "/api/messages/1/form", b'{"values": {"a": "1"}}', 422),
        ("POST", "/api/messages", b'{"text": "  "}', 422),
        ("PUT", "/api/messages/1", b'{"text": "mine now"}', 403),
        ("DELETE", "/api/messages/1", b"", 403),
        ("GET", "/api/messages?limit=many", b"", 422),
        ("GET", "/events?after=-1", b"", 422),
    ],
)
async def test_what_is_not_there_or_not_mine_is_refused(
    ana: Session, ears: Ears, method: str, path: str, body: bytes, status: int
) -> None:
    assert (await ana.ask(method, path, body)).status == status
    assert ears.events == []
