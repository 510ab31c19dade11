"""Answers an HTTP request with a page or a refusal, or admits it as a websocket, before any other part handles it."""

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus

from websockets.datastructures import Headers

from mtclar.engine.text import printable
from mtclar.stream.server.access import Access
from mtclar.stream.server.clients.quotas import AddressBuckets, ConnectionQuota
from mtclar.stream.server.http.pages import CLIENT_FOLDER, Page, Pages, Route, problem
from mtclar.stream.server.limits import Limits

WEBSOCKET_PATH = "/ws"
ASK_WHY = "X-Page-Origin"
"""The header of a page that asks with a plain request why its websocket was refused: browsers do not say."""

MAY_CONNECT = Page(b"this page may connect\n", "text/plain; charset=utf-8")


class RequestFilter:
    """Decides by request line, headers and address alone; lives on the event loop. Counts refusals by reason."""

    def __init__(self, access: Access, limits: Limits, pages: Pages) -> None:
        self.access = access
        self.limits = limits
        self.wrong_tokens = AddressBuckets(limits.wrong_tokens, 1 / limits.wrong_token_s)
        self.websockets = ConnectionQuota(limits.clients, limits.clients_per_address)
        self.pages = pages
        self.refused: Counter[str] = Counter()

    def answer(self, method: str, target: str, headers: Headers, address: str) -> Page | Route | None:
        """A page, what makes it on a thread, or a refusal; None continues the websocket handshake."""
        path = target.partition("?")[0]
        given = headers.get_all("Authorization")
        trusted = self.access.token is None
        if given and not trusted:
            role = self.access.bearer(given)
            if role is None:
                if not self.wrong_tokens.take(address):
                    return self._refuse(
                        "guesses", HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens: try again later"
                    )
                return self._refuse("token", HTTPStatus.UNAUTHORIZED, "this is not the token")
            trusted = role != "camera"
        if path != WEBSOCKET_PATH:
            return self._page(method, path, headers, trusted)
        exceeded = self.websockets.exceeded_by(address)
        if exceeded == "total":
            return self._refuse("clients", HTTPStatus.SERVICE_UNAVAILABLE, "too many clients")
        if exceeded == "address":
            return self._refuse("address", HTTPStatus.TOO_MANY_REQUESTS, "too many clients from your address")
        asked = headers.get_all(ASK_WHY)
        origins = asked or headers.get_all("Origin")
        if not self.access.origin_allowed(origins, headers.get_all("Host")):
            return self._refuse(
                "origin",
                HTTPStatus.FORBIDDEN,
                f"pages of {_named(origins)} may not connect: start the server with --origin {_named(origins)}",
            )
        return MAY_CONNECT if asked else None

    def reader(self, target: str, headers: Headers) -> str | None:
        """The Origin whose pages may import the file from here: the JavaScript client, for pages that may connect."""
        origins = headers.get_all("Origin")
        path = target.partition("?")[0]
        if path.startswith(f"/{CLIENT_FOLDER}/") and self.access.origin_allowed(
            origins, headers.get_all("Host")
        ):
            return next(iter(origins), None)
        return None

    def _page(self, method: str, path: str, headers: Headers, trusted: bool) -> Page | Route:
        if not self.access.host_allowed(headers.get_all("Host")):
            name = _named(headers.get_all("Host"))
            return self._refuse(
                "host",
                HTTPStatus.MISDIRECTED_REQUEST,
                f"this server does not answer to the name {name}: start it with --token-file, or with "
                f"--origin http://{name} (https:// behind a proxy with TLS)",
            )
        if self.pages.is_private(path) and not trusted:
            return self._refuse("token", HTTPStatus.UNAUTHORIZED, "this page needs the token")
        return self.pages.find(method, path, trusted)

    def _refuse(self, reason: str, status: HTTPStatus, text: str) -> Page:
        self.refused[reason] += 1
        return problem(status, text)


def _named(values: Sequence[str]) -> str:
    """What a header names, for an error of plain text."""
    return printable(", ".join(values)) or "unknown"
