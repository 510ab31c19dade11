"""What a request gets, decided without a socket."""

from http import HTTPStatus

import pytest
from websockets.datastructures import Headers

from mtclar.stream.server.access import Access
from mtclar.stream.server.http.pages import Page, Pages
from mtclar.stream.server.http.request_filter import RequestFilter
from mtclar.stream.server.limits import Limits

TOKEN = "a-long-enough-token"
HERE = "127.0.0.1:8765"


def make_filter(token: str | None = None, limits: Limits | None = None) -> RequestFilter:
    pages = Pages(
        {"/health": lambda trusted: Page(b"details" if trusted else b"ok")},
        {"/metrics": lambda: Page(b"metrics")},
    )
    pages.add({"/calibrate": Page(b"calibrate")})
    return RequestFilter(Access("127.0.0.1", token), limits or Limits(), pages)


def ask(request_filter: RequestFilter, target: str, method: str = "GET", **headers: str) -> Page | None:
    given = Headers({"Host": HERE} | {name.replace("_", "-"): value for name, value in headers.items()})
    page = request_filter.answer(method, target, given, "192.0.2.1")
    return page() if callable(page) else page


def status(page: Page | None) -> int | None:
    return None if page is None else page.status.value


def test_without_a_token_pages_are_for_everybody_under_a_name_of_this_machine() -> None:
    for target, body in (("/health", b"details"), ("/metrics?x=1", b"metrics"), ("/calibrate", b"calibrate")):
        page = ask(make_filter(), target)
        assert page is not None
        assert (page.status, page.body) == (HTTPStatus.OK, body)
    assert status(ask(make_filter(), "/metrics", Host="localhost:8765")) == 200
    assert status(ask(make_filter(), "/metrics", Host="evil.example:8765")) == 421  # DNS rebinding
    assert status(ask(make_filter(), "/", Host="evil.example")) == 421


def test_with_a_token_states_say_little_and_metrics_nothing_to_strangers() -> None:
    guarded = make_filter(TOKEN)
    page = ask(guarded, "/health")
    assert page is not None
    assert page.body == b"ok"
    assert status(ask(guarded, "/metrics")) == 401
    page = ask(guarded, "/health", Authorization=f"Bearer {TOKEN}")
    assert page is not None
    assert page.body == b"details"
    assert status(ask(guarded, "/metrics", Authorization=f"Bearer {TOKEN}", Host="lab.example")) == 200
    assert guarded.refused == {"token": 1}


def test_wrong_tokens_are_refused_for_a_while_and_the_right_one_never() -> None:
    guarded = make_filter(TOKEN, Limits(wrong_tokens=3, wrong_token_s=1000))
    tries = [status(ask(guarded, "/ws", Authorization=f"Bearer guess-{n}")) for n in range(5)]
    assert tries == [401, 401, 401, 429, 429]
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(guarded, "/ws", **right) is None  # the owner behind the same address is let in


def test_websockets_are_counted_in_all_and_by_address() -> None:
    full = make_filter(limits=Limits(clients=3, clients_per_address=2))
    assert ask(full, "/ws") is None
    leave = full.websockets.acquire("192.0.2.1")
    full.websockets.acquire("192.0.2.1")
    assert status(ask(full, "/ws")) == 429
    full.websockets.acquire("192.0.2.9")
    assert status(ask(full, "/ws")) == 503
    assert status(ask(full, "/health")) == 200  # there is still an answer for who watches
    leave()
    assert ask(full, "/ws") is None
    assert full.refused == {"address": 1, "clients": 1}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_only_get(method: str) -> None:
    assert status(ask(make_filter(), "/", method)) == 405


def test_a_viewer_may_read_the_metrics() -> None:
    viewers = "a-token-for-viewers"
    pages = Pages({}, {"/metrics": lambda: Page(b"metrics")})
    request_filter = RequestFilter(Access("127.0.0.1", TOKEN, view_token=viewers), Limits(), pages)
    for token, expected in ((viewers, None), (TOKEN, None), ("another-long-token", 401)):
        page = ask(request_filter, "/metrics", Authorization=f"Bearer {token}")
        assert page is not None
        assert (page.status if page.status != HTTPStatus.OK else None) == expected


def test_a_page_learns_why_its_websocket_is_refused_and_which_flag_helps() -> None:
    guarded = make_filter()
    proxied = Headers([("Host", "127.0.0.1:8765"), ("X-Page-Origin", "https://lab.example")])
    refused = guarded.answer("GET", "/ws", proxied, "127.0.0.1")
    assert isinstance(refused, Page)
    assert refused.status == 403
    assert b"--origin https://lab.example" in refused.body
    own = Headers([("Host", "127.0.0.1:8765"), ("X-Page-Origin", "http://127.0.0.1:8765")])
    answer = guarded.answer("GET", "/ws", own, "127.0.0.1")
    assert isinstance(answer, Page)
    assert answer.status == 200
    named = Headers([("Host", "lab.example" + "x" * 500)])
    other = guarded.answer("GET", "/", named, "127.0.0.1")
    assert isinstance(other, Page)
    assert other.status == 421
    assert b"--origin http://lab.example" in other.body
    assert len(other.body) < 700
    assert guarded.refused == {"origin": 1, "host": 1}


@pytest.mark.parametrize(
    ("origins", "target", "origin", "reader"),
    [
        ((), "/client/client.js", None, None),
        ((), "/client/client.js", f"http://{HERE}", f"http://{HERE}"),
        ((), "/client/client.js", "http://elsewhere.example", None),
        (("http://lab.example",), "/client/client.js?v=1", "http://lab.example", "http://lab.example"),
        (("http://lab.example",), "/dashboard/app.js", "http://lab.example", None),
        ((), "/client/client.js", "null", None),
        (("null",), "/client/inbox.js", "null", "null"),
    ],
)
def test_a_page_that_may_connect_may_import_the_client(
    origins: tuple[str, ...], target: str, origin: str | None, reader: str | None
) -> None:
    request_filter = RequestFilter(Access("127.0.0.1", None, origins), Limits(), Pages({}))
    headers = Headers({"Host": HERE} | ({} if origin is None else {"Origin": origin}))
    assert request_filter.reader(target, headers) == reader
