"""Rules of access for loopback, tokens with their roles, and a browser's Origin, without sockets."""

import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mtclar.engine.errors import UsageError

if TYPE_CHECKING:  # with numpy, which --help does not load
    from mtclar.stream.protocol.messages import Role

MIN_TOKEN_LENGTH = 8
MAX_CAMERAS = 8
NO_ORIGIN = "null"  # the Origin of a page from a file, as in OBS, and of any page in a sandboxed frame
FROM_FILES = (["null"], ["file://"])  # the latter from older Chromium


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses; any other name counts as reachable from other machines."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server. Raises UsageError when they are unsafe."""

    host: str  # the address that the server binds
    token: str | None = None  # of operators
    origins: tuple[str, ...] = ()  # allowed besides the server's own: scheme://host[:port], or NO_ORIGIN
    view_token: str | None = None  # of viewers, beside `token`
    read_only: bool = False  # every client is a viewer
    camera_tokens: dict[str, None] = field(
        default_factory=dict, compare=False
    )  # as a set in order: `add_camera`

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"'{self.host}' can be reached from other machines and there is no token",
                "add --token-file FILE, or stay with --host 127.0.0.1",
            )
        if self.view_token is not None and self.token in (None, self.view_token):
            raise UsageError(
                "the view token needs another token beside it, for operators",
                "add --token-file FILE; or, if nobody may operate, use --token-file with --read-only",
            )
        for token in (self.token, self.view_token):
            if token is not None and (len(token) < MIN_TOKEN_LENGTH or not token.isascii()):
                raise UsageError(
                    f"the token is shorter than {MIN_TOKEN_LENGTH} characters or not plain ASCII",
                    "make one with: python -c 'import secrets; print(secrets.token_urlsafe(16))'",
                )
        for origin in self.origins:
            if origin != NO_ORIGIN and _origin(origin) is None:
                raise UsageError(
                    f"'{origin}' is not an origin",
                    "write scheme://host or scheme://host:port, or null for pages from files",
                )

    def add_camera(self) -> str:
        """A new token, whose clients may only be a camera; it replaces the oldest of more than MAX_CAMERAS."""
        while len(self.camera_tokens) >= MAX_CAMERAS:
            del self.camera_tokens[next(iter(self.camera_tokens))]
        token = secrets.token_urlsafe(16)
        self.camera_tokens[token] = None
        return token

    @property
    def open_role(self) -> "Role | None":
        """The role of every client where no token is needed; None where one is."""
        return self._given("operator") if self.token is None else None

    def role_of(self, given: str) -> "Role | None":
        """The role that a token gives; None for a wrong one. Compares in constant time."""
        tokens: list[tuple[Role, str | None]] = [("operator", self.token), ("viewer", self.view_token)]
        tokens += [("camera", token) for token in tuple(self.camera_tokens)]
        right = [
            role
            for role, token in tokens
            if token is not None and hmac.compare_digest(given.encode(), token.encode())
        ]
        return self._given(right[0]) if right else None

    def bearer(self, authorizations: Sequence[str]) -> "Role | None":
        """The role that `Authorization: Bearer ...` gives; None without such a header or with a wrong token."""
        if len(authorizations) != 1:
            return None
        scheme, _, given = authorizations[0].partition(" ")
        return self.role_of(given.strip()) if scheme.lower() == "bearer" else None

    def _given(self, role: "Role") -> "Role":
        return "viewer" if self.read_only else role

    def origin_allowed(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """Whether a page of that Origin may open the websocket, given the request's Host.

        Clients other than browsers send no Origin. Without a token only loopback names are the server's own: an
        attacker can point any other name at this machine (DNS rebinding).
        """
        if not origins:
            return True
        if list(origins) in FROM_FILES:
            return NO_ORIGIN in self.origins
        origin = _origin(origins[0]) if len(origins) == 1 else None
        if origin is None:
            return False
        if origin in {_origin(allowed) for allowed in self.origins}:
            return True
        scheme, name, port = origin
        own = len(hosts) == 1 and _origin(f"{scheme}://{hosts[0]}") == (scheme, name, port)
        return own and (self.token is not None or is_loopback(name))

    def host_allowed(self, hosts: Sequence[str]) -> bool:
        """Whether a page may be requested under that name: without a token only a loopback name or an allowed origin's.

        DNS rebinding would let a stranger's page read it under any other name.
        """
        if self.token is not None or not hosts:  # every browser sends the header
            return True
        allowed = {name for origin in self.origins if (named := _origin(origin)) for name in [named[1]]}
        named = _origin(f"http://{hosts[0]}")
        return len(hosts) == 1 and named is not None and (is_loopback(named[1]) or named[1] in allowed)


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host, port; None for anything else, such as the 'null' of a sandboxed page."""
    try:
        parts = urlsplit(text)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        return None
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        return None
    return parts.scheme, parts.hostname.lower(), port
