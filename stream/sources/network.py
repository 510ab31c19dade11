"""Network streams through PyAV: RTSP with the capture times of its sender reports, HTTP MJPEG, RTMP; also over TLS."""

import errno
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import av
import av.error

from mtclar.engine.address import ESCAPE_HINT, is_ambiguous, without_credentials
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import SourceError, UsageError
from mtclar.engine.files.reading import expand_home
from mtclar.stream.sources.base import stream_name
from mtclar.stream.sources.decoding.frames import announced_fps, pictures, reason_of, video_stream
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
HTTP_OPTIONS = {"fflags": "nobuffer", "flags": "low_delay", "analyzeduration": "500000"}
# Without "nobuffer", which drops what FFmpeg analyses: an RTMP server begins with a key frame, and the next one may
# come 10 s later. Measured with one every 10 s, to the first picture: 10.7 s with it, 1.1 s without.
RTMP_OPTIONS = {"flags": "low_delay", "analyzeduration": "500000", "rtmp_live": "live"}
UNTIMED_FORMATS = ("mpjpeg", "mjpeg")  # their stamps count pictures, whatever the time between them
OPEN_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 5.0
PROBE_TIMEOUT_S = 0.5
LIVE_MAX_GAP_S = 10.0

OPTIONS = (
    "#transport=udp, #ca=FILE, #verify=no, #clock=arrival, #stream=1, #rotate=90, #flip=h, #deinterlace=1"
)
"""The options that may follow an address, joined by `&`. A fragment is never sent to the camera."""

# Debian, Fedora, OpenSSL's default: PyAV's wheel brings its own OpenSSL, which has no default path.
CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How addresses of one kind are opened."""

    port: int
    ffmpeg: Mapping[str, str]  # FFmpeg's options
    tls: bool = False
    transports: tuple[str, ...] = ()


SCHEMES = {
    "rtsp": Scheme(554, RTSP_OPTIONS, transports=("tcp", "udp")),
    "rtsps": Scheme(322, RTSP_OPTIONS, tls=True, transports=("tcp",)),
    "http": Scheme(80, HTTP_OPTIONS),
    "https": Scheme(443, HTTP_OPTIONS, tls=True),
    "rtmp": Scheme(1935, RTMP_OPTIONS),
    "rtmps": Scheme(443, RTMP_OPTIONS, tls=True),
}


def open_network(spec: str, stream_id: str | None, loop: bool) -> "NetworkStream":  # noqa: ARG001
    """The source of an address with one of SCHEMES."""
    return NetworkStream(spec, stream_id or stream_name(without_credentials(spec).partition("://")[2]))


def open_srt(spec: str, stream_id: str | None, loop: bool) -> "NetworkStream":  # noqa: ARG001
    """Raises UsageError: FFmpeg of PyAV's wheels is built without SRT."""
    raise UsageError(
        "srt:// cannot be read here: the installed FFmpeg has no SRT",
        "pipe it: ffmpeg -i srt://... -c copy -f mpegts - | mtclar-stream run --source -",
    )


class NetworkStream:
    """An RTSP, HTTP or RTMP stream; each `frames()` is one connection. `pts_s` follows the stream's own time.

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
        self._scheme = SCHEMES[parts.scheme.lower()]
        self._address = (parts.hostname, port or self._scheme.port)
        if "@" in parts.fragment and "@" not in parts.netloc:
            raise UsageError("an @ follows the # of the address", f"{ESCAPE_HINT}; options are {OPTIONS}")
        options = _parse_options(parts.fragment, self._scheme)
        self._ffmpeg_options = _ffmpeg_options(options, self._scheme)
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
        """True when the server accepts; of RTSP without TLS when it answers OPTIONS: a frozen one still accepts."""
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: mtclar-stream\r\n\r\n"
        try:
            with socket.create_connection(self._address, timeout=PROBE_TIMEOUT_S) as probe:
                if self._scheme.tls or not self._scheme.transports:
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
            untimed = container.format.name in UNTIMED_FORMATS
            first = not untimed
            for picture in pictures(container, stream, self.label, self._closed, self._warn):
                now_s = self._clock()
                self.size = (picture.image.shape[1], picture.image.shape[0])
                if first:
                    self._time_line.resume(self._capture_time_line(now_s))
                first = False
                pts_s = self._capture_time_line(now_s) if untimed else self._time_line(picture.stamp_s)
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
            if getattr(error, "errno", None) == errno.EPROTONOSUPPORT and "udp" in self._scheme.transports:
                what += "; the camera refuses RTP over TCP: append '#transport=udp'"
            if "tls_verify" in self._ffmpeg_options and getattr(error, "errno", None) == errno.EIO:
                # FFmpeg reports a failed verification as an I/O error.
                what += "; perhaps its certificate is not trusted here"
                hint += "; append '#ca=FILE' to trust its own certificate, or '#verify=no' to trust any"
            raise SourceError(what, hint) from None

    def _warn(self, text: str) -> None:
        log.info("%s: %s", self.label, text)


def _parse_options(fragment: str, scheme: Scheme) -> dict[str, str]:
    """The options after `#`; UsageError for an unknown one."""
    options = dict(parse_qsl(fragment, keep_blank_values=True))
    known = {
        **({"transport": set(scheme.transports), "clock": {"arrival", "rtcp"}} if scheme.transports else {}),
        "stream": {str(number) for number in range(10)},
        **({"verify": {"yes", "no"}, "ca": None} if scheme.tls else {}),
    }
    if fragment and not options:
        raise UsageError("no option after the # of the address", f"write {OPTIONS}")
    for name, value in options.items():
        if name in ("verify", "ca") and not scheme.tls:
            raise UsageError(
                f"#{name}= is for rtsps://, https:// and rtmps://",
                "a connection without TLS has no certificate",
            )
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


def _ffmpeg_options(chosen: dict[str, str], scheme: Scheme) -> dict[str, str]:
    """FFmpeg's options for a connection."""
    options = dict(scheme.ffmpeg) | (UDP_OPTIONS if chosen.get("transport") == "udp" else {})
    if scheme.tls and chosen.get("verify") != "no":
        options["tls_verify"] = "1"
        own = str(expand_home(chosen["ca"])) if "ca" in chosen else _ca_file()
        if own is not None:
            options["ca_file"] = own
    return options


def _ca_file() -> str | None:
    """The file of certificates that this system trusts."""
    places = (ssl.get_default_verify_paths().cafile, *CA_FILES)
    return next((place for place in places if place and Path(place).is_file()), None)
