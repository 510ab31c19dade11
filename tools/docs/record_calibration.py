"""Conversations of a calibration page with a running server, recorded: docs/protocol/exchanges/calibrate.

    python -m tools.docs.record_calibration --write

As tools/docs/record_exchanges.py, which writes those of mtclar.v1; a picture is a line {"picture": its header}. The
faces and what the encoder says of them are made up, so that every machine records the same. The tests play it all
again.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mtclar.calibrate.web.feeds.live_feed import LiveFeed
from mtclar.calibrate.web.feeds.recording_scan import Still
from mtclar.calibrate.web.feeds.still_feed import StillFeed
from mtclar.calibrate.web.registry import CalibrationRegistry
from mtclar.calibrate.web.session import CalibrationSession, CalibrationStream
from mtclar.calibrate.web.surroundings import StoredSet, Surroundings
from mtclar.engine.data_types import Encoded, FaceCrop, Faces, Frame
from mtclar.engine.estimate.comparer import Comparer
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet
from mtclar.stream.server.pictures import face_outline, small_jpeg
from mtclar.stream.server.uploads import read_header
from tools.docs import record_exchanges
from tools.docs.record_exchanges import NOW_S, Conversation, Line, conversation

FOLDER = record_exchanges.FOLDER / "calibrate"
STEP_S = 0.4  # between two pictures
PICTURES = 5  # of a capture: half a second to look up, then three slots
PICTURE = np.full((120, 160, 3), 128, np.uint8)
DOOR = CalibrationStream("door", "rtsp://camera/door")
CAMERA = CalibrationStream("webcam-0", "webcam:0")


def crop(seen: bool = True) -> FaceCrop:
    """A face as large as a third of the picture; too dark where it is not to be used."""
    turn = np.linspace(0, 2 * np.pi, 468, dtype=np.float32)
    landmarks = np.stack([80 + 25 * np.cos(turn), 60 + 30 * np.sin(turn), 0 * turn], axis=1)
    image = np.full((16, 16), 120, np.uint8)
    brightness = 120.0 if seen else 20.0
    return FaceCrop(image, (55, 30, 105, 90), landmarks, (1.0, 2.0, 0.0), 90.0, brightness, 0, 0.9)


class ScriptedTracker:
    """Every picture shows the same face; the encoder gives each a new embedding."""

    model = SimpleNamespace(name="encoder", sha256="5c2e" * 16)
    identity = EncoderIdentity("encoder", "5c2e" * 16, FRAMING, embedding_dim=8)
    hidden_mouth = None  # this encoder has no probe for it

    def __init__(self) -> None:
        self.seen = True
        self._encoded = 0

    def find(self, _: Frame) -> Faces:
        return Faces((crop(self.seen),))

    def encode(self, crops: Any) -> Encoded:
        rows = np.arange(self._encoded, self._encoded + len(crops))
        self._encoded += len(crops)
        angles = 0.7 * rows[:, None] + np.arange(8)
        absolute = np.stack([0.4 * np.cos(rows), 0.4 * np.sin(rows)], axis=1)
        return Encoded(
            np.cos(angles).astype(np.float32),
            absolute.astype(np.float32),
            np.zeros((len(crops), 8), np.float32),
        )

    def comparer(self, support: SupportSet) -> Comparer:
        return Comparer(None, support)

    def reset(self) -> None:
        """Nothing is remembered from picture to picture."""

    def close(self) -> None:
        """Nothing is held."""


class Page:
    """A page in a conversation, and the camera in front of it."""

    def __init__(
        self, client: Conversation, calibration: CalibrationSession | CalibrationRegistry, now_s: list[float]
    ) -> None:
        self._client = client
        self._calibration = calibration
        self._now_s = now_s  # one item: the clock of the sessions
        self._seq = 0

    def send(self, kind: str, **content: Any) -> None:
        self._client.send({"type": f"calibrate.{kind}", **content})

    def receive(self, *kinds: str) -> None:
        """Records the server's next messages, of those kinds; a picture may arrive after the next message."""
        waiting = list(kinds)
        received: dict[str, Any] = {}
        while len(received) < len(waiting):
            message = self._client.next()
            kind = "picture" if isinstance(message, bytes) else message["type"].removeprefix("calibrate.")
            assert kind in waiting, f"waited for {kinds}, got {message!r}"
            received[kind] = _header(message) if isinstance(message, bytes) else {"server": message}
        self._client.lines += [received[kind] for kind in kinds]

    def do(self, kind: str, *answers: str, **content: Any) -> None:
        """Sends a message and receives the answers, by default the new state."""
        self.send(kind, **content)
        self.receive(*(answers or ("state",)))

    def picture(self, *more: str, stream: str = CAMERA.stream_id) -> None:
        """The camera's next picture, the messages about it, and further answers."""
        self._now_s[0] += STEP_S
        self._calibration.enqueue_frame(
            Frame(PICTURE, self._seq, self._now_s[0], "arrival", self._now_s[0] - NOW_S, stream)
        )
        self._seq += 1
        self.receive("look", "picture", *more)

    def capture(self, kind: str, **content: Any) -> None:
        """Sends a message that starts a capture, and plays pictures until it is complete."""
        self.do(kind, **content)
        for _ in range(PICTURES - 1):
            self.picture()
        self.picture("state")


def _header(picture: bytes) -> Line:
    number, seq, t_capture_s = read_header(picture)
    return {"picture": {"number": number, "seq": seq, "t_capture": round(t_capture_s, 4)}}


@contextmanager
def calibration(*people: tuple[str, list[CalibrationStream]]) -> Iterator[tuple[Page, ScriptedTracker]]:
    """A server that calibrates those people, and a page that has just connected."""
    now_s = [NOW_S]
    tracker = ScriptedTracker()
    saved: list[SupportSet] = []

    def save(support: SupportSet) -> Path:
        saved.insert(0, support)
        return Path(f"{support.subject}.mtclar")

    def stored() -> list[StoredSet]:
        return [
            StoredSet(f"anna-{len(saved) - i}.mtclar", partial(saved.__getitem__, i), i == 0)
            for i in range(len(saved))
        ]

    with tempfile.TemporaryDirectory() as folder:
        registry = CalibrationRegistry(
            [
                CalibrationSession(
                    lambda: tracker,  # type: ignore[arg-type,return-value]
                    save,
                    surroundings=Surroundings(stored, on_done=lambda: None, tracks=True),
                    target=Path(folder) / f"{subject}.mtclar",
                    subject=subject,
                    streams=streams,
                    feed=LiveFeed,
                    clock=lambda: now_s[0],
                )
                for subject, streams in people
            ]
        )
        with registry, conversation(extension=registry) as client:
            client.receive("hello")
            yield Page(client, registry, now_s), tracker


def lines_of(page: Page) -> list[Line]:
    return page._client.lines


# --- the conversations --------------------------------------------------------------------------------------------


def calibrating() -> list[Line]:
    """A poor picture; two labels, of which one is moved, deleted, restored, checked and captured again; saved."""
    with calibration(("anna", [CAMERA])) as (page, tracker):
        page.do("join")
        tracker.seen = False
        page.picture()
        tracker.seen = True
        for valence, arousal in ((0.0, 0.0), (0.6, 0.1)):
            page.capture("take", valence=valence, arousal=arousal)
        page.do("relabel", number=2, valence=0.5, arousal=0.2)
        page.do("delete", number=2)
        page.do("undo")
        page.capture("check", number=2)
        page.capture("redo", number=2)
        page.do("clear")
        page.do("undo")
        page.do("skip")
        page.do("delete", "error", number=7)
        page.do("take", "error", valence=9, arousal=0.0)
        page.do("take", valence=-0.5, arousal=0.0)
        page.do("cancel")
        page.do("save")
        page.do("recalibrate", region="pleasant")
        page.capture("take", valence=0.6, arousal=0.0)
        page.do("recalibrate", "error", region="elsewhere")
        page.do("save")
        page.do("compare", "comparison", name="anna-1.mtclar")
        page.do("load")
        page.do("done")
        page.send("leave")
        return lines_of(page)


def choosing() -> list[Line]:
    """Two people, of whom the second can be calibrated on two streams."""
    with calibration(("anna", [CAMERA]), ("ben", [CAMERA, DOOR])) as (page, _):
        page.do("join", "choices", "state")
        page.picture()
        page.do("join", "choices", "state", subject="ben", stream="door")
        page.picture(stream=DOOR.stream_id)
        page.do("join", "error", subject="cleo")
        return lines_of(page)


def rating() -> list[Line]:
    """Two pictures of a recording are offered: one is labelled, the other skipped."""
    tracker = ScriptedTracker()
    face = crop()
    stills = [
        Still(
            row, 0.04 * row, small_jpeg(PICTURE), face_outline(face, (160, 120)), face, tracker.encode([face])
        )
        for row in (10, 30)
    ]
    with tempfile.TemporaryDirectory() as folder:
        session = CalibrationSession(
            lambda: tracker,  # type: ignore[arg-type,return-value]
            lambda support: Path(f"{support.subject}.mtclar"),
            target=Path(folder) / "anna.mtclar",
            subject="anna",
            streams=[CalibrationStream("clip", "clip.mp4")],
            feed=partial(StillFeed, stills=stills),
        )
        with session, conversation(extension=session) as client:
            client.receive("hello")
            page = Page(client, session, [NOW_S])
            shown = ("state", "look", "picture")
            page.do("join", *shown)
            page.do("take", *shown, valence=0.5, arousal=-0.25, category="content", note="looks away")
            page.do("step", *shown, frames=-1)
            page.do("show", *shown, time=1.2)
            page.do("skip", *shown)
            page.do("save", *shown)
            return client.lines


CONVERSATIONS: tuple[Callable[[], list[Line]], ...] = (calibrating, choosing, rating)


if __name__ == "__main__":
    record_exchanges.main(str(__doc__), CONVERSATIONS, FOLDER)
