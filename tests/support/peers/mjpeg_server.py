"""A camera that serves Motion JPEG over HTTP as IP cameras do; it can be stopped and started again."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


def moving_bar(n: int) -> bytes:
    image = np.full((48, 64, 3), 40, np.uint8)
    image[:, (4 * n) % 56 : (4 * n) % 56 + 8] = 230
    return bytes(cv2.imencode(".jpg", image)[1])


class MjpegServer:
    """Serves 25 pictures a second at /stream; `authorization` is the header that it asks for.

    `picture` makes the JPEG of picture n.
    """

    def __init__(
        self, authorization: str | None = None, picture: Callable[[int], bytes] = moving_bar
    ) -> None:
        self.port = 0
        self.picture = picture
        self.authorization = authorization
        self.challenge = 'Basic realm="camera"'
        self.seen: list[str | None] = []  # the Authorization header of each request
        self._server: ThreadingHTTPServer | None = None
        self._stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream"

    def start(self) -> None:
        camera = self
        self._stopped = stopped = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                given = self.headers.get("Authorization")
                camera.seen.append(given)
                if camera.authorization is not None and given != camera.authorization:
                    self.send_response(401)
                    self.send_header("WWW-Authenticate", camera.challenge)
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                n = 0
                while not stopped.is_set():
                    body = camera.picture(n)
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + body + b"\r\n")
                    except OSError:
                        return
                    n += 1
                    stopped.wait(1 / 25)
                self.close_connection = True

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
