"""HTTP pages of the server: the web pages' files, the protocol's schema, health and readiness, pages of extensions."""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from importlib import resources
from pathlib import PurePath
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Response

from mtclar.stream.protocol.messages import PROTOCOL, StatusMessage
from mtclar.stream.server.access import is_loopback

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".webm": "audio/webm",
    ".json": "application/json",
    ".yaml": "application/yaml",
}

COMPRESSED = {CONTENT_TYPES[suffix] for suffix in (".html", ".js", ".css", ".svg", ".json")}

# The pages load nothing from elsewhere and cannot be framed.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()"
    ),
    "Cache-Control": "no-store",
}
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; connect-src 'self'{websocket}; img-src 'self' data:; media-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HSTS = "max-age=2592000"  # 30 days: a server that gives TLS up is not locked out for longer
HOST = re.compile(r"[\w.-]+(:\d+)?|\[[\da-f:]+\](:\d+)?", re.ASCII | re.IGNORECASE)

MAX_DOWNLOADS = 4  # pages that wait to be downloaded, in memory
CLIENT_FOLDER = "client"
PROTOCOL_FOLDER = (
    "protocol"  # the contracts of all protocols: an AsyncAPI file refers to the schema beside it
)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    body: bytes
    content_type: str = CONTENT_TYPES[".html"]
    status: HTTPStatus = HTTPStatus.OK
    gzipped: bytes = b""  # the same body, for browsers that take it; empty: there is none


Route = Callable[[], Page]
"""Makes a private page on each request; on a thread, so it may take time."""


def web_folder(package: str, name: str) -> dict[str, Page]:
    """The web files of a package and its folders, read once, as `/name/file`; its `index.html` is `/name`."""
    pages = {}
    folders = [(resources.files(package), f"/{name}")]
    while folders:
        folder, path = folders.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((entry, f"{path}/{entry.name}"))
            elif (content_type := CONTENT_TYPES.get(PurePath(entry.name).suffix)) is not None:
                address = path if entry.name == "index.html" else f"{path}/{entry.name}"
                body = entry.read_bytes()
                packed = gzip.compress(body, mtime=0) if content_type in COMPRESSED else b""
                pages[address] = Page(body, content_type, gzipped=packed)
    return pages


def camera_pages() -> dict[str, Page]:
    """The page that sends a browser's camera."""
    return web_folder("mtclar.stream.web.camera", "camera")


def dashboard_pages() -> dict[str, Page]:
    """The dashboard, which is `/`, the modules that all pages share, and the client, which pages elsewhere use too."""
    pages = web_folder("mtclar.stream.web.dashboard", "dashboard")
    return {
        "/": pages.pop("/dashboard"),
        **pages,
        **web_folder("mtclar.stream.web.shared", "shared"),
        **text_tables(),
        **web_folder("mtclar.stream.web.client", CLIENT_FOLDER),
    }


def text_tables() -> dict[str, Page]:
    """The words of the pages: a table for each language, and the languages' own names by their codes."""
    tables = web_folder("mtclar.stream.web.shared.texts", "shared/texts")
    names = {PurePath(path).stem: json.loads(page.body)["language.name"] for path, page in tables.items()}
    return tables | {"/shared/texts/languages.json": json_page(dict(sorted(names.items())))}


def protocol_pages() -> dict[str, Page]:
    """The contract of `mtclar.v1` for machines: its JSON Schema at /protocol, and beside it AsyncAPI."""
    pages = web_folder("mtclar.stream.protocol", PROTOCOL_FOLDER)
    address = f"/{PROTOCOL_FOLDER}/mtclar.v1.schema.json"
    schema = replace(pages[address], content_type="application/schema+json")
    return {**pages, address: schema, f"/{PROTOCOL_FOLDER}": schema}


Details = Mapping[str, object]
"""What only trusted clients see of /health and /ready."""


def health_page(failure: str | None, details: Details | None) -> Page:
    """200 while the process works; 503 with the reason when a service manager should restart it."""
    return _status_page("ok" if failure is None else "failing", failure, details)


def readiness_page(
    streams: Iterable[str], statuses: Mapping[str, StatusMessage], details: Details | None
) -> Page:
    """200 while every stream is live; else 503 with the names of the others."""
    states = dict.fromkeys(streams, "") | {name: status.state for name, status in statuses.items()}
    waiting = sorted(name for name, state in states.items() if state != "live")
    if waiting:
        return _status_page("waiting", f"not live: {', '.join(waiting)}", details)
    return _status_page("ready", None, details)


def _status_page(word: str, reason: str | None, details: Details | None) -> Page:
    content: dict[str, object] = {"status": word, "protocol": PROTOCOL}
    if details is not None:
        content |= {"reason": reason, **details}
    return json_page(content, HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE)


def json_page(content: object, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of JSON."""
    return Page(json.dumps(content).encode(), CONTENT_TYPES[".json"], status)


def problem(status: HTTPStatus, text: str) -> Page:
    """A page of plain text that says what is wrong."""
    return Page(f"{text}\n".encode(), "text/plain; charset=utf-8", status)


class Pages:
    """Finds the page of a path.

    `states` (/health, /ready) show their details only to trusted clients. `private` routes need the token, if there is
    one.
    """

    def __init__(
        self,
        states: Mapping[str, Callable[[bool], Page]],
        private: Mapping[str, Route] | None = None,
    ) -> None:
        self._static = dashboard_pages() | protocol_pages()
        self._states = dict(states)
        self._private = dict(private or {})
        self._downloads: dict[str, Page] = {}

    def add(self, pages: Mapping[str, Page]) -> None:
        """Adds static pages by path, open to everybody."""
        self._static |= pages

    def add_private(self, path: str, route: Route) -> None:
        """Adds a page that needs the token, or replaces it."""
        self._private[path] = route

    def add_download(self, path: str, page: Page) -> None:
        """Serves a page once, to whoever knows its path; the oldest of more than MAX_DOWNLOADS is dropped."""
        if len(self._downloads) >= MAX_DOWNLOADS:
            del self._downloads[next(iter(self._downloads))]
        self._downloads[path] = page

    def is_private(self, path: str) -> bool:
        """Whether the page needs the token."""
        return path in self._private

    def find(self, method: str, path: str, trusted: bool = True) -> Page | Route:
        """The page of a path, or the route that makes it. `trusted`: the token was given, or none is needed."""
        if method != "GET":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered here")
        if path in self._downloads:
            return self._downloads.pop(path)
        if path in self._states:
            return self._states[path](trusted)
        if path in self._private:
            return self._private[path]
        return self._static.get(path) or problem(
            HTTPStatus.NOT_FOUND, "there is no such page; the dashboard is at /, the websocket at /ws"
        )


def response(
    page: Page, hosts: Sequence[str], tls: bool, reader: str | None = None, takes_gzip: bool = False
) -> Response:
    """The page as an HTTP response with the security headers, for a request with these Host headers.

    `reader` is an Origin whose pages may read it although they are not the server's. `takes_gzip`: the client does.
    """
    packed = takes_gzip and bool(page.gzipped)
    body = page.gzipped if packed else page.body
    host = hosts[0] if len(hosts) == 1 and HOST.fullmatch(hosts[0]) else None
    # Not every browser counts the websocket of the same host as 'self'. Behind a proxy with TLS it is wss: too.
    schemes = ("wss",) if tls else ("ws", "wss")
    websocket = "" if host is None else "".join(f" {scheme}://{host}" for scheme in schemes)
    headers = Headers(
        {
            "Content-Type": page.content_type,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Content-Security-Policy": CONTENT_SECURITY_POLICY.format(websocket=websocket),
            **SECURITY_HEADERS,
        }
    )
    if reader is not None:
        headers["Access-Control-Allow-Origin"] = reader
        headers["Vary"] = "Origin"
    if (
        tls and host is not None and not is_loopback(urlsplit(f"//{host}").hostname or "")
    ):  # holds for all its ports
        headers["Strict-Transport-Security"] = HSTS
    if page.gzipped:
        headers["Vary"] = "Accept-Encoding"
    if packed:
        headers["Content-Encoding"] = "gzip"
    return Response(page.status.value, page.status.phrase, headers, body)
