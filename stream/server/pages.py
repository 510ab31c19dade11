"""HTTP pages of the server: the web pages' files, the protocol's schema, health and readiness, pages of extensions."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib import resources
from pathlib import PurePath

from websockets.datastructures import Headers
from websockets.http11 import Response

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".yaml": "application/yaml",
}

# The pages load nothing from elsewhere and cannot be framed. ws: and wss: are named because not every browser counts
# the websocket of the same host as 'self'.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

PROTOCOL_PATH = "/protocol"
SCHEMA_FILE = "mtclar.v1.schema.json"
ASYNCAPI_FILE = "mtclar.v1.asyncapi.yaml"  # refers to the schema as the file beside it


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    content_type: str = CONTENT_TYPES[".html"]
    status: HTTPStatus = HTTPStatus.OK


Route = Callable[[], Page]
"""Makes a page on each request; on the event loop's thread, so it must be quick and not wait, unless it is private."""


def web_folder(package: str, name: str) -> dict[str, Page]:
    """The web files of a package, read once, as `/name/file`; its `index.html` is `/name`."""
    pages = {}
    for file in resources.files(package).iterdir():
        content_type = CONTENT_TYPES.get(PurePath(file.name).suffix)
        if content_type is not None and file.is_file():
            path = f"/{name}" if file.name == "index.html" else f"/{name}/{file.name}"
            pages[path] = Page(file.read_bytes(), content_type)
    return pages


def camera_pages() -> dict[str, Page]:
    """The page that sends a browser's camera."""
    return web_folder("mtclar.stream.web.camera", "camera")


def dashboard_pages() -> dict[str, Page]:
    """The dashboard, which is `/`, and the modules that all pages share."""
    pages = web_folder("mtclar.stream.web.dashboard", "dashboard")
    return {"/": pages.pop("/dashboard"), **pages, **web_folder("mtclar.stream.web.shared", "shared")}


def protocol_pages() -> dict[str, Page]:
    """The contract of `mtclar.v1` for machines: its JSON Schema at /protocol, and beside it AsyncAPI."""
    files = resources.files("mtclar.stream.protocol")
    schema = Page((files / SCHEMA_FILE).read_bytes(), "application/schema+json")
    asyncapi = Page((files / ASYNCAPI_FILE).read_bytes(), CONTENT_TYPES[".yaml"])
    return {
        PROTOCOL_PATH: schema,
        f"{PROTOCOL_PATH}/{SCHEMA_FILE}": schema,
        f"{PROTOCOL_PATH}/{ASYNCAPI_FILE}": asyncapi,
    }


def json_page(content: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of JSON."""
    return Page(json.dumps(content).encode(), CONTENT_TYPES[".json"], status)


def problem(status: HTTPStatus, text: str) -> Page:
    """A page of plain text that says what is wrong."""
    return Page(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


class Pages:
    """Finds the page of a path; `/ws` is not one.

    `states` (/health, /ready) tell their details only to who may know them. `private` routes need the token, where
    there is one, and may be work.
    """

    def __init__(
        self,
        states: Mapping[str, Callable[[bool], Page]],
        private: Mapping[str, Route] | None = None,
    ) -> None:
        self._static = dashboard_pages() | protocol_pages()
        self._states = dict(states)
        self._private = dict(private or {})

    def add(self, pages: Mapping[str, Page]) -> None:
        """Adds static pages by path, open to everybody."""
        self._static |= pages

    def is_private(self, path: str) -> bool:
        """Whether the page needs the token."""
        return path in self._private

    def find(self, method: str, path: str, trusted: bool = True) -> Page | Route:
        """The page for a request line's method and path, or what makes it, where that is work.

        `trusted` has given the token, or none is needed.
        """
        if method != "GET":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here")
        if path in self._states:
            return self._states[path](trusted)
        if path in self._private:
            return self._private[path]
        return self._static.get(path) or problem(
            HTTPStatus.NOT_FOUND, "there is no such page; the dashboard is at /, the websocket at /ws"
        )


def response(page: Page) -> Response:
    """The page as an HTTP response with the security headers."""
    headers = Headers(
        {
            "Content-Type": page.content_type,
            "Content-Length": str(len(page.body)),
            "Connection": "close",
            **SECURITY_HEADERS,
        }
    )
    return Response(page.status.value, page.status.phrase, headers, page.body)
