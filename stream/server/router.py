"""Dispatches the text messages of clients: subscriptions, marks, recordings, cameras, those of extensions."""

import asyncio
import logging
from collections.abc import Callable, Collection

from mtclar.stream.protocol.client_messages import (
    Assign,
    Camera,
    ClientHello,
    ClientMessage,
    History,
    Mark,
    Play,
    Preview,
    Record,
    Subscribe,
    Thresholds,
    decode_client,
    parse_client,
)
from mtclar.stream.protocol.messages import MarkMessage, ProtocolError
from mtclar.stream.protocol.patterns import is_pattern
from mtclar.stream.server.clients.client import Client
from mtclar.stream.server.clients.client_hub import ClientHub
from mtclar.stream.server.clients.quotas import TokenBucket
from mtclar.stream.server.extension import ClientHandle, Extension, log_action
from mtclar.stream.server.limits import Limits
from mtclar.stream.server.uploads import FrameUploads

log = logging.getLogger(__name__)


class Router:
    """Lives on the event loop. `streams` returns the names of the announced streams; `on_mark` publishes a mark.

    `extensions` are set before the first client connects, if at all.
    """

    def __init__(
        self,
        hub: ClientHub,
        limits: Limits,
        streams: Callable[[], Collection[str]],
        clock: Callable[[], float],
        on_mark: Callable[[MarkMessage], None],
        on_assign: Callable[[Assign, ClientHandle], None] | None,
        on_record: Callable[[Record], None] | None,
        on_play: Callable[[Play], None] | None,
        on_thresholds: Callable[[Thresholds, ClientHandle], None] | None,
        on_preview: Callable[[ClientHandle, str | None], None] | None,
    ) -> None:
        self.uploads: FrameUploads | None = None
        self.extensions: dict[str, Extension] = {}
        self._hub = hub
        self._streams = streams
        self._clock = clock
        self._on_mark = on_mark
        self._on_assign = on_assign
        self._on_record = on_record
        self._on_play = on_play
        self._on_thresholds = on_thresholds
        self._on_preview = on_preview
        self._histories = TokenBucket(limits.histories_per_s, limits.histories_per_s)
        self._encoding = set[asyncio.Future[bytes]]()  # of histories
        self._shared = TokenBucket(limits.shared_per_s, limits.shared_per_s)
        self._known: set[str] = set()  # streams, as of the last unknown name: `streams` may be slow

    def dispatch(self, client: Client, handle: ClientHandle, text: str) -> None:
        """Carries out one message; raises ProtocolError, which the client gets as `error`."""
        content = decode_client(text)
        for prefix, extension in self.extensions.items():
            if str(content.get("type")).startswith(prefix):
                _require_operator(handle, prefix + "*")
                extension.on_message(handle, content)
                return
        message = parse_client(content)
        if handle.role == "camera":
            _require_of_a_camera(message)
        if isinstance(message, Subscribe):
            if client.subscribed:
                self._require_shared()
            self._require_streams([name for name in message.streams or () if not is_pattern(name)])
            self._hub.subscribe(client, message)
            return
        if isinstance(message, History):
            self._send_history(client, message)
            return
        if not isinstance(message, ClientHello) and handle.role != "camera":  # another hello changes nothing
            _require_operator(handle, message.type)
        if isinstance(message, Mark):
            if not client.marks.take():
                raise ProtocolError("busy", f"one client may send {client.marks.per_s:g} marks in a second")
            self._require_broadcast(message.stream)
            log_action(handle, "mark", label=message.label, stream=message.stream)
            self._on_mark(MarkMessage(message.label, self._clock(), message.stream))
        elif isinstance(message, Assign):
            self._require_broadcast(message.stream)
            if self._on_assign is None:
                raise ProtocolError("cannot_assign", "this server has no faces to assign")
            log_action(handle, "assign", stream=message.stream, face=message.face, subject=message.subject)
            self._on_assign(message, handle)
        elif isinstance(message, Record):
            self._require_shared()
            if self._on_record is None:
                raise ProtocolError(
                    "cannot_record", "this server has no folder for recordings: run --record names one"
                )
            log_action(handle, "record", recording=message.recording, session=message.session)
            self._on_record(message)
        elif isinstance(message, Play):
            self._require_shared()
            if self._on_play is None:
                raise ProtocolError("cannot_play", "this server plays no recording: replay and the studio do")
            log_action(handle, "play", **message.model_dump(exclude={"type"}, exclude_none=True))
            self._on_play(message)
        elif isinstance(message, Thresholds):
            self._require_shared()
            if self._on_thresholds is None:
                raise ProtocolError("cannot_watch", "this server watches no thresholds")
            log_action(handle, "thresholds", thresholds=[str(one) for one in message.chosen])
            self._on_thresholds(message, handle)
        elif isinstance(message, Preview):
            self._require_broadcast(message.stream)
            if self._on_preview is None:
                raise ProtocolError("cannot_preview", "this server shows no picture: run --preview does")
            log_action(handle, "preview", stream=message.stream)
            self._on_preview(handle, message.stream)
        elif isinstance(message, Camera):
            if self.uploads is None:
                raise ProtocolError(
                    "unknown_stream", "no stream accepts pictures here: run --source browser does"
                )
            ready = self.uploads.claim(client, message.stream)
            client.connection.admit_pictures()
            log_action(handle, "camera", stream=ready.stream)
            client.send_text(ready.encode())

    def on_picture(self, client: Client, handle: ClientHandle, data: bytes) -> None:
        """Takes one binary message; raises ProtocolError."""
        if self.uploads is None:
            raise ProtocolError("binary_not_expected", "messages are text frames of JSON")
        self.uploads.on_frame(client, data, handle.send_text)

    def on_too_large(self) -> None:
        """Counts a picture that was larger than a message may be."""
        if self.uploads is not None:
            self.uploads.too_large()

    def on_disconnect(self, client: Client, handle: ClientHandle) -> None:
        """Releases the client's upload slot and notifies the extensions."""
        if self.uploads is not None:
            self.uploads.on_disconnect(client)
        if self._on_preview is not None:
            self._on_preview(handle, None)
        for extension in self.extensions.values():
            extension.on_disconnect(handle)

    def _send_history(self, client: Client, request: History) -> None:
        """Answers when a thread has encoded the messages: that may take longer than those of a frame may wait."""
        if not self._histories.take():
            per_s = self._histories.per_s
            raise ProtocolError(
                "busy", f"all clients together have asked for more than {per_s:g} in a second"
            )
        encode = self._hub.recent.answer(client.subscription, request.seconds)
        encoding = asyncio.get_running_loop().run_in_executor(None, encode)
        self._encoding.add(encoding)

        def send(done: asyncio.Future[bytes]) -> None:
            self._encoding.discard(done)
            if done.cancelled():
                return
            if done.exception() is not None:  # a bug: the client gets no answer
                log.error("a history was not encoded", exc_info=done.exception())
            elif client in self._hub:
                client.send_text(done.result())

        encoding.add_done_callback(send)

    def _require_streams(self, names: Collection[str]) -> None:
        if not self._known >= set(names):
            self._known = {*self._streams(), *self._hub.statuses}
        if unknown := set(names) - self._known:
            raise ProtocolError("unknown_stream", f"there is no stream '{min(unknown)}'")

    def _require_broadcast(self, stream: str | None) -> None:
        self._require_shared()
        self._require_streams([] if stream is None else [stream])

    def _require_shared(self) -> None:
        if not self._shared.take():
            raise ProtocolError(
                "busy", f"all clients together have sent more than {self._shared.per_s:g} in a second"
            )


def _require_of_a_camera(message: ClientMessage) -> None:
    """A client that is only a camera sends pictures, and may subscribe to nothing."""
    if not isinstance(message, ClientHello | Camera) and not (
        isinstance(message, Subscribe) and message.streams == []
    ):
        raise ProtocolError("not_allowed", f"'{message.type}': this client's token is for a camera alone")


def _require_operator(client: ClientHandle, message_type: str) -> None:
    if client.role != "operator":
        raise ProtocolError(
            "not_allowed",
            f"'{message_type}' is for operators: this client only views (its token is the view token, or the server "
            "is read-only)",
        )
