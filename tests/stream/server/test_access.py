"""Who may connect: loopback rule, token, Origin."""

import pytest

from mtclar.engine.errors import UsageError
from mtclar.stream.server.access import Access, is_loopback

TOKEN = "a-long-enough-token"
VIEW_TOKEN = "a-token-for-the-audience"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_pages_from_files_are_admitted_where_the_user_says_so() -> None:
    for token in (None, TOKEN):
        assert not Access("127.0.0.1", token).origin_allowed(["null"], HERE)
        access = Access("127.0.0.1", token, origins=("null",))
        assert access.origin_allowed(["null"], HERE)
        assert access.origin_allowed(["file://"], HERE)
        assert not access.origin_allowed(["null", "null"], HERE)
        assert not access.origin_allowed(["https://evil.example"], HERE)
        assert access.host_allowed(["evil.example"]) is (token is not None)


def test_beyond_loopback_needs_a_token() -> None:
    with pytest.raises(UsageError, match="no token") as caught:
        Access("0.0.0.0")
    assert "--token" in caught.value.hint
    Access("0.0.0.0", TOKEN)


@pytest.mark.parametrize("token", ["", "short", "not-ascii-tökén"])
def test_weak_tokens_are_refused(token: str) -> None:
    with pytest.raises(UsageError):
        Access("127.0.0.1", token)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([f"Bearer {TOKEN}"], "operator"),
        ([f"bearer  {TOKEN}"], "operator"),
        ([f"Bearer {VIEW_TOKEN}"], "viewer"),
        (["Bearer wrong"], None),
        ([f"Basic {TOKEN}"], None),
        ([TOKEN], None),
        ([f"Bearer {TOKEN}", f"Bearer {TOKEN}"], None),
        (["Bearer ünïcode"], None),
    ],
)
def test_bearer(headers: list[str], expected: str | None) -> None:
    assert Access("127.0.0.1", TOKEN, view_token=VIEW_TOKEN).bearer(headers) == expected


@pytest.mark.parametrize(
    ("token", "read_only", "open_role", "given"),
    [
        (None, False, "operator", None),
        (None, True, "viewer", None),
        (TOKEN, False, None, "operator"),
        (TOKEN, True, None, "viewer"),
    ],
)
def test_roles_with_and_without_tokens(
    token: str | None, read_only: bool, open_role: str | None, given: str | None
) -> None:
    access = Access("127.0.0.1", token, read_only=read_only)
    assert access.open_role == open_role
    assert access.role_of(TOKEN) == given


@pytest.mark.parametrize("token", [None, VIEW_TOKEN])
def test_a_view_token_needs_another_one_for_operators(token: str | None) -> None:
    with pytest.raises(UsageError, match="for operators"):
        Access("127.0.0.1", token, view_token=VIEW_TOKEN)


HERE = ["127.0.0.1:8765"]


@pytest.mark.parametrize(
    ("origins", "hosts", "expected"),
    [
        ([], HERE, True),
        (["http://127.0.0.1:8765"], HERE, True),
        (["http://localhost:8765"], ["localhost:8765"], True),
        (["http://localhost:8765"], HERE, False),
        (["http://127.0.0.1:9999"], HERE, False),
        (["https://evil.example"], HERE, False),
        (["http://evil.example:8765"], ["evil.example:8765"], False),  # DNS rebinding
        (["null"], HERE, False),
        (["http://127.0.0.1:8765", "http://127.0.0.1:8765"], HERE, False),
        (["http://127.0.0.1:8765"], [], False),
        (["http://127.0.0.1:port"], HERE, False),
        (["http://allowed.example"], HERE, True),
        (["http://allowed.example:80"], HERE, True),
        (["https://allowed.example"], HERE, False),
    ],
)
def test_origins(origins: list[str], hosts: list[str], expected: bool) -> None:
    access = Access("127.0.0.1", origins=("http://allowed.example",))
    assert access.origin_allowed(origins, hosts) is expected


def test_with_a_token_the_servers_own_name_is_whatever_the_page_came_from() -> None:
    access = Access("0.0.0.0", TOKEN)
    assert access.origin_allowed(["https://lab.example:8765"], ["lab.example:8765"])
    assert not access.origin_allowed(["https://other.example:8765"], ["lab.example:8765"])


@pytest.mark.parametrize("origin", ["lab.example", "ftp://lab.example", "https://lab.example/page", "*"])
def test_an_allowed_origin_must_be_one(origin: str) -> None:
    with pytest.raises(UsageError, match="origin"):
        Access("127.0.0.1", origins=(origin,))
