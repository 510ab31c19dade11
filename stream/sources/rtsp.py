"""RTSP cameras through PyAV: over TCP, UDP or TLS, with the capture times that their sender reports allow."""

import errno
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import av
import av.error

from mtclar.engine.address import ESCAPE_HINT, is_ambiguous, without_credentials
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.files import expand_home
from mtclar.stream.sources.base import stream_name
from mtclar.stream.sources.decoding import announced_fps, pictures, reason_of, video_stream
from mtclar.stream.sources.times import CaptureTimeLine, SenderClock, TimeLine

log = logging.getLogger(__name__)

RTSP_OPTIONS = {
    "rtsp_transport": "tcp",
    "fflags": "nobuffer",
    "flags": "low_delay",
    "max_delay": "500000",
    "reorder_queue_size": "0",
    "timeout": "5000000",
    # FFmpeg analyses a stream before it gives the first picture, by default for 1.2 s. Measured from connecting to the
    # first picture: 1.6 s with the default, .55 to .9 s with .3 s, .15 to .5 s with .05 s. The SDP and the first key
    # frame hold the same information (tried with H.264, H.265 and MJPEG).
    "analyzeduration": "50000",
}
UDP_OPTIONS = {"rtsp_transport": "udp", "reorder_queue_size": "16"}  # datagrams overtake each other
OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 0.5
RTSP_PORT, RTSPS_PORT = 554, 322
LIVE_MAX_GAP_S = 10.0

OPTIONS = (
    "#transport=udp, #ca=FILE, #verify=no, #clock=arrival, #stream=1, #rotate=90, #flip=h, #deinterlace=1"
)
"""The options that may follow an address, joined by `&`. A fragment is never sent to the camera."""

# Debian, Fedora, OpenSSL's default: PyAV's wheel brings its own OpenSSL, which has no default path.
CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def open_rtsp(spec: str, stream_id: str | None, loop: bool) -> "RtspCamera":  # noqa: ARG001
    """The source of `rtsp://...` and `rtsps://...`."""
    return RtspCamera(spec, stream_id or stream_name(without_credentials(spec).partition("://")[2]))


class RtspCamera:
    """An RTSP stream; each `frames()` is one connection. `pts_s` follows the stream's own time.

    `t_capture_s` comes from RTCP sender reports (clock `rtcp`) once there are any and as long as the camera's wall
    clock agrees with this machine's; else it is the time of arrival. With rtsps:// the camera's certificate is checked.
    Raises UsageError for an invalid address.
    """

    live = True
    files: tuple[Path, ...] = ()

    def __init__(
        self,
        url: str,
        stream_id: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        unix_clock: Callable[[], float] = time.time,
    ) -> None:
        try:
            parts = urlsplit(url)
        except ValueError:  # its text may hold a password
            raise UsageError(
                "invalid address", "write rtsp://host[:port]/path, and an IPv6 host as [::1]"
            ) from None
        self.label = without_credentials(url)
        try:
            port = parts.port
        except ValueError:
            hint = "a port is 1 to 65535" + (f"; {ESCAPE_HINT}" if is_ambiguous(url) else "")
            raise UsageError(f"invalid port in '{self.label}'", hint) from None
        if not parts.hostname:  # its text is withheld: without // the label is the address itself
            raise UsageError("no host in the address", "write rtsp://host[:port]/path")
        self.stream_id = stream_id
        self.size: tuple[int, int] | None = None
        self.fps: float | None = None
        self._ambiguous = is_ambiguous(url)
        self._url = parts._replace(fragment="").geturl()
        self._tls = parts.scheme.lower() == "rtsps"
        self._address = (parts.hostname, port or (RTSPS_PORT if self._tls else RTSP_PORT))
        if "@" in parts.fragment and "@" not in parts.netloc:
            raise UsageError("an @ follows the # of the address", f"{ESCAPE_HINT}; options are {OPTIONS}")
        options = _parse_options(parts.fragment, self._tls)
        self._ffmpeg_options = _ffmpeg_options(options, self._tls)
        self._number = int(options["stream"]) if "stream" in options else None
        self._uses_sender_clock = options.get("clock") != "arrival"
        self._clock, self._unix_clock = clock, unix_clock
        self._closed = threading.Event()
        self._seq = 0
        self._capture_time_line = CaptureTimeLine()
        self._time_line = TimeLine(None, LIVE_MAX_GAP_S)

    def close(self) -> None:
        self._closed.set()

    def reachable(self) -> bool:
        """True when the server answers OPTIONS (a frozen one still accepts connections); with TLS, when it accepts."""
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: mtclar-stream\r\n\r\n"
        try:
            with socket.create_connection(self._address, timeout=PROBE_TIMEOUT_S) as probe:
                if self._tls:
                    return True
                probe.settimeout(PROBE_TIMEOUT_S)
                probe.sendall(request)
                return probe.recv(16).startswith(b"RTSP/")
        except OSError as error:
            log.debug("%s does not answer: %s", self.label, error)
            return False

    def frames(self) -> Iterator[Frame]:
        container = self._connect()
        with container:
            stream = video_stream(container, self.label, self._number, self._warn)
            self.fps = announced_fps(stream)
            sender = SenderClock(self._clock, self._unix_clock) if self._uses_sender_clock else None
            first = True
            for picture in pictures(container, stream, self.label, self._closed, self._warn):
                now_s = self._clock()
                self.size = (picture.image.shape[1], picture.image.shape[0])
                if first:
                    self._time_line.resume(self._capture_time_line(now_s))
                first = False
                pts_s = self._time_line(picture.stamp_s)
                taken_s = None if sender is None else sender.taken(picture.unix_s, now_s)
                seq, self._seq = self._seq, self._seq + 1
                if taken_s is None:
                    yield Frame(picture.image, seq, now_s, "arrival", pts_s, self.stream_id)
                else:
                    yield Frame(picture.image, seq, taken_s, "rtcp", pts_s, self.stream_id)

    def _connect(self) -> Any:
        try:
            return av.open(self._url, options=self._ffmpeg_options, timeout=(OPEN_TIMEOUT_S, READ_TIMEOUT_S))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            hint = "check the address, the camera's power and network, and its user name and password"
            # Not the error's own text, which holds the URL with its password.
            what = f"{self.label} cannot be opened: {reason_of(error)}"
            if self._ambiguous:  # in the reason of `status` too: a run retries and shows no hint
                what += f"; {ESCAPE_HINT}"
            if "tls_verify" in self._ffmpeg_options and getattr(error, "errno", None) == errno.EIO:
                # FFmpeg reports a failed verification as an I/O error.
                what += "; perhaps its certificate is not trusted here"
                hint += "; append '#ca=FILE' to trust its own certificate, or '#verify=no' to trust any"
            raise SourceError(what, hint) from None

    def _warn(self, text: str) -> None:
        log.info("%s: %s", self.label, text)


def _parse_options(fragment: str, tls: bool) -> dict[str, str]:
    """The options after `#`; UsageError for an unknown one."""
    options = dict(parse_qsl(fragment, keep_blank_values=True))
    known = {
        "transport": {"tcp"} if tls else {"tcp", "udp"},
        "clock": {"arrival", "rtcp"},
        "stream": {str(number) for number in range(10)},
        **({"verify": {"yes", "no"}, "ca": None} if tls else {}),
    }
    if fragment and not options:
        raise UsageError("no option after the # of the address", f"write {OPTIONS}")
    for name, value in options.items():
        if name in ("verify", "ca") and not tls:
            raise UsageError(f"#{name}= is for rtsps://", "a connection without TLS has no certificate")
        if name not in known:  # its text is withheld: it may be part of a password
            raise UsageError("unknown option after the # of the address", f"write {OPTIONS}")
        choices = known[name]
        if choices is not None and value not in choices:
            raise UsageError(
                f"invalid value of the option '#{name}='", f"one of: {', '.join(sorted(choices))}"
            )
    if "ca" in options and not expand_home(options["ca"]).is_file():
        raise UsageError(
            f"there is no file {options['ca']}", "#ca= names a PEM file of certificates to trust"
        )
    return options


def _ffmpeg_options(chosen: dict[str, str], tls: bool) -> dict[str, str]:
    """FFmpeg's options for a connection."""
    options = RTSP_OPTIONS | (UDP_OPTIONS if chosen.get("transport") == "udp" else {})
    if tls and chosen.get("verify") != "no":
        options["tls_verify"] = "1"
        own = str(expand_home(chosen["ca"])) if "ca" in chosen else _ca_file()
        if own is not None:
            options["ca_file"] = own
    return options


def _ca_file() -> str | None:
    """The file of certificates that this system trusts."""
    places = (ssl.get_default_verify_paths().cafile, *CA_FILES)
    return next((place for place in places if place and Path(place).is_file()), None)
