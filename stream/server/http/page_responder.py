"""Answers HTTP requests with pages; a thread makes those that take long."""

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor

from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from mtclar.stream.server.clients.quotas import address_of
from mtclar.stream.server.http.listener import limit_unsent
from mtclar.stream.server.http.pages import Page, Route, response
from mtclar.stream.server.http.request_filter import RequestFilter


class PageResponder:
    """Lives on the event loop. `secure`: the pages are served over TLS."""

    def __init__(self, request_filter: RequestFilter, secure: bool) -> None:
        self._filter = request_filter
        self._secure = secure
        self._executor = ThreadPoolExecutor(1, "pages")  # requests for private pages wait for one another

    def close(self) -> None:
        """Makes no further pages."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def __call__(
        self, connection: ServerConnection, request: Request
    ) -> Response | Awaitable[Response] | None:
        """A page or a refusal; None continues the websocket handshake."""
        address = address_of(connection.remote_address)
        page = self._filter.answer(request.method, request.path, request.headers, address)
        if page is None:
            limit_unsent(connection.transport)
            return None
        hosts = request.headers.get_all("Host")
        if not isinstance(page, Page):
            return self._make(page, hosts)
        reader = self._filter.reader(request.path, request.headers)
        encodings = ",".join(request.headers.get_all("Accept-Encoding")).lower().split(",")
        takes_gzip = "gzip" in (encoding.strip() for encoding in encodings)
        return response(page, hosts, self._secure, reader, takes_gzip)

    async def _make(self, route: Route, hosts: Sequence[str]) -> Response:
        page = await asyncio.get_running_loop().run_in_executor(self._executor, route)
        return response(page, hosts, self._secure, None)
