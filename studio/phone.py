"""The link with which a phone becomes the camera, and its QR code."""

import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from mtclar.engine.errors import UsageError
from mtclar.engine.installation.extras import install_command
from mtclar.stream.server.access import is_loopback
from mtclar.stream.server.http.listener import reachable

CAMERA_PAGE = "camera"
ELSEWHERE = ("192.0.2.1", 9)  # of TEST-NET-1 (RFC 5737): nothing is sent there


@dataclass(frozen=True, slots=True)
class PhoneLink:
    """An address for a phone. The token is behind the `#`, which a browser sends to nobody."""

    url: str
    image: str  # its QR code, a data: address of an SVG
    secure: bool  # a phone gives its camera to https pages only


def phone_link(origin: str, port: int, token: str) -> PhoneLink:
    """The link for the page that was opened as `origin`. Raises UsageError without segno."""
    try:
        import segno
    except ImportError as error:
        raise UsageError(
            "the QR code needs segno, which is not installed", install_command("studio")
        ) from error
    parts = urlsplit(origin)
    host = parts.netloc
    if is_loopback(parts.hostname or ""):  # this machine's name for itself
        host = f"{reachable(own_address())}:{port}"
    url = f"{parts.scheme}://{host}/{CAMERA_PAGE}#token={token}"
    image = segno.make(url, error="m", micro=False).svg_data_uri(scale=6, border=3, dark="#000", light="#fff")
    return PhoneLink(url, image, parts.scheme == "https")


def own_address() -> str:
    """The address under which other machines of the network reach this one; its name where that is unknown."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)  # chooses the interface; UDP sends nothing yet
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
