"""Behind a real nginx with the configuration of docs/server/reverse-proxy.md: prefix, Host, Origin, TLS, websocket."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from support.peers.certificates import make_certificate
from support.peers.websocket_client import WAIT_S, Eventually, receive
from support.pipeline_parts import eventually
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from mtclar.stream.protocol.messages import Hello, StreamInfo
from mtclar.stream.server.config import ServerConfig
from mtclar.stream.server.http.pages import camera_pages
from mtclar.stream.server.server import Server

PAGE = (Path(__file__).parents[2] / "docs" / "server" / "reverse-proxy.md").read_text()
SAMPLE = re.findall(r"```nginx\n(.*?)```", PAGE, re.DOTALL)[0]
NAME = "lab.example"
TOKEN = "a-long-enough-token"

__all__ = ["eventually"]


class Proxy:
    """nginx in front of a server."""

    def __init__(self, server: Server, port: int, cert: Path) -> None:
        self.server = server
        self.port = port
        self.url = f"https://127.0.0.1:{port}/tracker/"
        self.own = f"https://127.0.0.1:{port}"
        self._tls = ssl.create_default_context(cafile=str(cert))
        self._any_name = ssl.create_default_context(cafile=str(cert))
        self._any_name.check_hostname = False

    def get(self, path: str, host: str | None = None) -> tuple[int, str, dict[str, str]]:
        connection = HTTPSConnection("127.0.0.1", self.port, timeout=WAIT_S, context=self._tls)
        try:
            connection.request("GET", path, headers={} if host is None else {"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), dict(answer.getheaders())
        finally:
            connection.close()

    def join(self, origin: str | None, host: str | None = None, token: str | None = None) -> ClientConnection:
        return connect(
            f"wss://{host or f'127.0.0.1:{self.port}'}/tracker/ws",
            sock=socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_S),
            origin=None if origin is None else Origin(origin),
            additional_headers={} if token is None else {"Authorization": f"Bearer {token}"},
            ssl=self._any_name,
            proxy=None,
            open_timeout=WAIT_S,
        )


StartProxy = Callable[..., Any]


@pytest.fixture
def nginx(tmp_path: Path, eventually: Eventually) -> StartProxy:
    if (program := shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")) is None:
        pytest.skip("there is no nginx: `.ci/system` installs it")
    cert, key = make_certificate(tmp_path)

    @contextmanager
    def start(sample: str = SAMPLE, **options: Any) -> Iterator[Proxy]:
        info = StreamInfo("cam", "webcam:0", True, (640, 480), 30.0, "latest")
        server = Server(ServerConfig(port=0, **options), hello=lambda: Hello((info,), pages=("camera",)))
        server.add_extension(_Nothing(), camera_pages())
        with server, socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
            free.close()
            for name, other in (
                ("443 ssl", f"127.0.0.1:{port} ssl"),
                (":8765/", f":{server.port}/"),
                (f"/etc/ssl/{NAME}.pem", str(cert)),
                (f"/etc/ssl/{NAME}.key", str(key)),
            ):
                assert name in sample
                sample = sample.replace(name, other)
            temporary = "".join(
                f"{kind}_temp_path {tmp_path / kind};\n"
                for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            config = tmp_path / "nginx.conf"
            config.write_text(
                f"daemon off;\npid {tmp_path}/nginx.pid;\nerror_log stderr warn;\nevents {{}}\n"
                f"http {{\naccess_log off;\n{temporary}{sample}}}\n"
            )
            with subprocess.Popen(
                [program, "-e", "stderr", "-p", tmp_path, "-c", config], stderr=subprocess.PIPE
            ) as process:
                try:
                    proxy = Proxy(server, port, cert)
                    assert eventually(lambda: process.poll() is not None or _answers(port))
                    assert process.poll() is None, process.communicate()
                    yield proxy
                finally:
                    process.terminate()
                    process.communicate(timeout=WAIT_S)

    return start


class _Nothing:
    """An extension without messages, for its pages."""

    prefix = "nothing."

    def on_message(self, *_: object) -> None: ...

    def on_disconnect(self, *_: object) -> None: ...


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_pages_and_the_websocket_under_a_prefix_with_tls(nginx: StartProxy) -> None:
    with nginx() as proxy:
        status, _, headers = proxy.get("/tracker")
        assert (status, headers["Location"]) == (301, "/tracker/")
        for path, says in (
            ("", "<title"),
            ("camera", "<title"),
            ("shared/style.css", "{"),
            ("health", "ok"),
        ):
            status, body, _ = proxy.get(f"/tracker/{path}")
            assert (status, says in body) == (200, True), path
        assert proxy.get("/tracker/nothing")[0] == 404
        for origin in (proxy.own, None):
            with proxy.join(origin) as client:
                assert receive(client)["type"] == "hello"
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
            with pytest.raises(InvalidStatus) as refused, proxy.join(origin):
                pass
            assert refused.value.response.status_code == 403
            assert f"--origin {origin}" in (refused.value.response.body or b"").decode()


@pytest.mark.parametrize("options", [{"token": TOKEN}, {"origins": (f"https://{NAME}",)}])
def test_a_name_of_its_own_needs_a_token_or_its_origin(nginx: StartProxy, options: dict[str, Any]) -> None:
    with nginx() as proxy:
        status, body, _ = proxy.get("/tracker/", NAME)
        assert status == 421
        assert f"--origin http://{NAME}" in body
        with pytest.raises(InvalidStatus), proxy.join(f"https://{NAME}", NAME):
            pass
    with nginx(**options) as proxy:
        assert proxy.get("/tracker/", NAME)[0] == 200
        with proxy.join(f"https://{NAME}", NAME, options.get("token")) as client:
            assert receive(client)["type"] == "hello"
        with pytest.raises(InvalidStatus), proxy.join("https://evil.example", NAME, options.get("token")):
            pass


@pytest.fixture
def open_through(browser: Browser) -> Iterator[Callable[..., Page]]:
    contexts = []

    def open_one(url: str) -> Page:
        context = browser.new_context(ignore_https_errors=True)
        contexts.append(context)
        page = context.new_page()
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()


def test_the_dashboard_works_under_a_prefix(nginx: StartProxy, open_through: Callable[..., Page]) -> None:
    with nginx() as proxy:
        page = open_through(proxy.url)
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        page.get_by_role("link", name="Camera").click()
        expect(page).to_have_url(f"{proxy.url}camera")
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        page.get_by_role("link", name="Dashboard").click()
        expect(page.locator("#connection")).to_have_attribute("data-state", "live")
        page.close()


def test_a_refused_page_says_which_flag_helps(nginx: StartProxy, open_through: Callable[..., Page]) -> None:
    without_host = SAMPLE.replace("proxy_set_header Host $http_host;", "")
    assert without_host != SAMPLE
    with nginx(without_host) as proxy:
        for path, text in (("", "#state"), ("camera", "#camera-words")):
            page = open_through(f"{proxy.url}{path}")
            expect(page.locator("#connection-text")).to_contain_text("Refused (403)")
            expect(page.locator(text)).to_contain_text(f"--origin {proxy.own}")
            page.close()


@pytest.mark.parametrize(("origins", "says"), [(("null",), "hello"), ((), "closed")])
def test_a_page_from_a_file_connects_where_the_user_says_so(
    open_through: Callable[..., Page], tmp_path: Path, origins: tuple[str, ...], says: str
) -> None:
    with Server(ServerConfig(port=0, origins=origins), hello=lambda: Hello(())) as server:
        file = tmp_path / "overlay.html"
        file.write_text(
            f"<script>const socket = new WebSocket('{server.ws_url}');"
            "socket.onmessage = (event) => { document.title = JSON.parse(event.data).type; };"
            "socket.onclose = () => { document.title = 'closed'; };</script>"
        )
        page = open_through(file.as_uri())
        expect(page).to_have_title(says)
        page.close()
