"""Who may connect: the loopback rule, the token, and a browser's Origin; pure functions, tested without sockets."""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mtclar.engine.errors import UsageError

MIN_TOKEN_LENGTH = 8


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses; a name that is none of them counts as reachable from elsewhere."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server. Raises UsageError when they would be unsafe."""

    host: str  # what the server binds
    token: str | None = None
    origins: tuple[str, ...] = ()  # allowed besides the server's own: scheme://host[:port]

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"'{self.host}' can be reached from other machines and there is no token",
                "add --token-file FILE, or stay with --host 127.0.0.1",
            )
        if self.token is not None and (len(self.token) < MIN_TOKEN_LENGTH or not self.token.isascii()):
            raise UsageError(
                f"the token is shorter than {MIN_TOKEN_LENGTH} characters or not plain ASCII",
                "make one with: python -c 'import secrets; print(secrets.token_urlsafe(16))'",
            )
        for origin in self.origins:
            if _origin(origin) is None:
                raise UsageError(f"'{origin}' is not an origin", "write scheme://host or scheme://host:port")

    def token_matches(self, given: str) -> bool:
        """Compared in constant time."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def bearer(self, authorizations: Sequence[str]) -> bool | None:
        """True or False for a right or wrong `Authorization: Bearer ...`; None when there is none."""
        if not authorizations:
            return None
        scheme, _, given = authorizations[0].partition(" ")
        return len(authorizations) == 1 and scheme.lower() == "bearer" and self.token_matches(given.strip())

    def origin_allowed(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """Whether a page of that Origin may open the websocket, given the request's Host.

        No Origin: not a browser. Without a token, the server's own pages are those under a loopback name; a foreign
        name that was made to point here (DNS rebinding) is not one of them.
        """
        if not origins:
            return True
        origin = _origin(origins[0]) if len(origins) == 1 else None
        if origin is None:
            return False
        if origin in {_origin(allowed) for allowed in self.origins}:
            return True
        scheme, name, port = origin
        own = len(hosts) == 1 and _origin(f"{scheme}://{hosts[0]}") == (scheme, name, port)
        return own and (self.token is not None or is_loopback(name))

    def host_allowed(self, hosts: Sequence[str]) -> bool:
        """Whether a page may be asked for under that name. Without a token only under one of this machine (or of an
        allowed origin): under a foreign name that was made to point here a stranger's page could read it."""
        if self.token is not None or not hosts:  # no browser leaves the header out
            return True
        allowed = {name for origin in self.origins if (named := _origin(origin)) for name in [named[1]]}
        named = _origin(f"http://{hosts[0]}")
        return len(hosts) == 1 and named is not None and (is_loopback(named[1]) or named[1] in allowed)


def _origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host, port; None for anything that is not an origin ('null' of a sandboxed page among them)."""
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
