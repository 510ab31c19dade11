"""Rating a recording while it plays: the server paces it, the page says where the mark is, ratings become labels."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

import numpy as np

from mtclar.calibrate.core.continuous_rating import (
    Array,
    Lag,
    Ratings,
    Trace,
    corrected,
    estimate_lag,
    label_times,
    shifted,
    values_at,
)
from mtclar.calibrate.core.journal import Unfinished
from mtclar.calibrate.core.status import rounded
from mtclar.calibrate.core.support_builder import Taken
from mtclar.calibrate.web import messages
from mtclar.calibrate.web.session import Desk
from mtclar.calibrate.web.still_rating import Still, faces_of
from mtclar.calibrate.web.thumbnails import preview
from mtclar.engine.data_types import Frame
from mtclar.engine.errors import MtclarError
from mtclar.engine.estimate.active_learning import propose
from mtclar.stream.label_file import Label
from mtclar.stream.protocol.messages import ProtocolError
from mtclar.stream.server.extension import ClientHandle
from mtclar.stream.server.uploads import write_header
from mtclar.stream.sources.pace import paced

MOST_FRAMES = 20  # of the support set: more of one recording hardly help
LABEL_DIGITS = 3
KEEP_EVERY_S = 1.0  # while it plays: ratings that a killed process can cost
SAME_LENGTH_S = 0.5
NOTHING = np.zeros((0, 3))


class ReplayDesk(Desk):
    """A desk that plays a recording. `frames` reads it from its beginning; it is called for every playing.

    `stills` are the frames whose face can be used, in order of time. `lag_s` is taken instead of the estimate.
    """

    def __init__(
        self,
        *arguments: Any,
        frames: Callable[[], Iterator[Frame]],
        stills: Sequence[Still],
        length_s: float,
        lag_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._frames = frames
        self._stills = tuple(stills)
        self._length_s = length_s
        self._given_lag_s = lag_s
        self._trace = Trace()
        self._lag: Lag | None = None
        self._made: Array = NOTHING  # [L, 3] labels
        self._chosen: Array = NOTHING  # [K, 3] and frames, as they were made of the ratings
        self._kept_s = 0.0  # when ratings were last written
        self._unkept = False
        self._now_s = 0.0
        self._shown_s: dict[int, float] = {}  # seq -> time of the pictures of this playing
        self._since_s = 0.0  # when this playing began
        self._player: threading.Thread | None = None
        self._halt = threading.Event()
        for still in self._stills:
            self._standing.shown.note(still.time_s, still.encoded)

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._pause()
        if self._unkept and not self._thread.is_alive():
            self._try(None, self._keep)

    @property
    def lag(self) -> Lag | None:
        """How far the ratings were behind; None before they were finished."""
        return self._lag

    @property
    def labels(self) -> tuple[Label, ...]:
        """What the ratings were made into, and moved or deleted afterwards; none before they were finished."""
        now = {float(s.times_s[0]): (s.valence, s.arousal) for s in self._standing.collection.samples}
        return tuple(Label(*row) for row in corrected(self._made, self._chosen, now).tolist())

    def _work_off(self, peer: ClientHandle, said: messages.Said) -> None:
        match said:
            case messages.Rate():  # many a second, and nothing on the page follows from one
                if (time_s := self._shown_s.get(said.seq)) is not None:
                    self._trace.note(time_s, said.valence, said.arousal)
                    self._unkept = True
                    if self._clock() - self._kept_s >= KEEP_EVERY_S:
                        self._keep()
                return
            case messages.Play():
                self._play(peer, said.time)
            case messages.Pause():
                self._pause()
                self._keep_ratings()
            case messages.Finish():
                self._pause()
                self._finish_ratings()
            case _:
                if isinstance(said, messages.Clear | messages.Save):
                    self._pause()
                super()._work_off(peer, said)
                if isinstance(said, messages.Save):
                    self._unkept = False
                if isinstance(said, messages.Join) and not self._shown_s:
                    self._show_still(peer)
                if not self._peers:
                    self._pause()
                    self._keep_ratings()
                return
        self._tell_state()

    # --- what is kept ---

    def _ratings_now(self) -> Ratings:
        return Ratings(
            self._length_s, self._now_s, self._trace.rows, self._lag, labels=self._made, kept=self._chosen
        )

    def _take_up(self, ratings: Ratings) -> None:
        self._trace, self._now_s = Trace(ratings.trace), ratings.at_s
        self._take_up_made(ratings.lag, ratings.labels, ratings.kept)

    def _take_up_made(self, lag: Lag | None, made: Array, chosen: Array) -> None:
        self._lag, self._made, self._chosen = lag, made, chosen

    def _drop_ratings(self) -> Callable[[], None]:
        before = self._ratings_now()
        self._take_up(Ratings(self._length_s, 0.0, np.zeros((0, 4))))
        return partial(self._take_up, before)

    def _go_on(self, unfinished: Unfinished) -> None:
        ratings = unfinished.ratings
        if ratings is not None:
            if abs(ratings.length_s - self._length_s) > SAME_LENGTH_S:
                raise self._journal.set_aside("is of another recording")
            self._take_up(ratings)
        super()._go_on(unfinished)

    def _keep(self) -> None:
        self._ratings = self._ratings_now()
        super()._keep()
        self._kept_s, self._unkept = self._clock(), False

    def _keep_ratings(self) -> None:
        if self._unkept:
            self._keep()

    # --- playing ---

    def _play(self, peer: ClientHandle, from_s: float) -> None:
        self._pause()
        self._now_s, self._shown_s, self._since_s = from_s, {}, time.monotonic()
        self._trace.begin(from_s)
        self._halt = threading.Event()
        self._player = threading.Thread(
            target=self._run, args=(peer, from_s, self._halt), name="replay", daemon=True
        )
        self._player.start()

    def _pause(self) -> None:
        self._halt.set()
        if self._player is not None:
            self._player.join()
            self._player = None

    def _run(self, peer: ClientHandle, from_s: float, halt: threading.Event) -> None:
        """The player's thread: frames at their own times; those before `from_s` are only decoded."""

        def wanted(frames: Iterator[Frame]) -> Iterator[Frame]:
            for frame in frames:
                if halt.is_set():
                    return
                if frame.pts_s >= from_s:
                    yield frame

        def play() -> None:
            with closing(self._frames()) as frames:  # type: ignore[type-var]  # an Iterator that is a generator
                for frame in paced(wanted(frames), halt):
                    self.offer(frame)

        self._try(None, play)
        if not halt.is_set():  # the end
            with suppress(ProtocolError):
                self._put(peer, messages.Pause(type="calibrate.pause"))

    def _look(self, frame: Frame) -> None:
        """Only shows it: the faces were looked at before."""
        if frame.t_capture_s < self._since_s:
            return  # of the playing before
        self._now_s = frame.pts_s
        self._shown_s[frame.seq] = frame.pts_s
        self._tell(_look_message(frame.seq, frame.pts_s))
        picture = write_header(0, frame.seq, frame.pts_s) + preview(frame.image)
        for peer in self._peers:
            peer.send_binary(picture)

    def _show_still(self, peer: ClientHandle) -> None:
        """Something to see before it plays."""
        still = min(self._stills, key=lambda still: abs(still.time_s - self._now_s))
        peer.send_text(_look_message(still.row, still.time_s))
        peer.send_binary(write_header(0, still.row, still.time_s) + still.picture)

    # --- labels ---

    def _finish_ratings(self) -> None:
        """Takes the lag out; labels twice a second, and the frames most worth keeping into the collection."""
        pieces = self._trace.pieces()
        if not pieces:
            raise MtclarError("nothing was rated yet", "play it, and move the mark on the grid")
        faces = faces_of(self._stills)
        times_s = np.array([still.time_s for still in self._stills])
        lag = estimate_lag(pieces, times_s, np.asarray(faces.absolute, float))
        if self._given_lag_s is not None:
            lag = Lag(self._given_lag_s, lag.correlation, "given")
        about = shifted(pieces, lag.seconds)
        at_s = label_times(about)
        values = values_at(about, times_s)
        if not len(at_s):
            raise MtclarError("too little was rated", f"more than {lag.seconds:.1f} s in one go")
        if np.isnan(values).all():
            raise MtclarError("no face can be used where it was rated", "rate another part")
        chosen = propose(faces, None, MOST_FRAMES, allowed=np.isfinite(values[:, 0]))
        rows = sorted(proposal.index for proposal in chosen)
        made = np.column_stack([at_s, values_at(about, at_s).round(LABEL_DIGITS)])
        kept = np.array([(times_s[row], *map(rounded, values[row].tolist())) for row in rows])
        labelled = []
        for row, (_, valence, arousal) in zip(rows, kept.tolist(), strict=True):
            still = self._stills[row]
            taken = [Taken(still.crop, valence, arousal, still.time_s, f"{still.time_s:.2f} s")]
            labelled.append((valence, arousal, taken, still.encoded))
        # What was rated stays when it is undone: only what was made of it goes back.
        undone = partial(self._take_up_made, self._lag, self._made, self._chosen)
        self._take_up_made(lag, made, kept)
        self._standing.collection.make_anew(labelled, self._keep_crops, undone)
        self._changed_samples(added=True)

    def _begin(self, *_: object) -> None:
        raise MtclarError("a recording that plays is rated as a whole", "play it, move the mark, and finish")

    def _state(self) -> dict[str, Any]:
        lag = self._lag
        replay = {
            "time": round(self._now_s, 3),
            "length": round(self._length_s, 3),
            "playing": self._player is not None,
            "rated": round(self._trace.rated_s, 2),
            "labels": len(self.labels),
            "lag": None
            if lag is None
            else {
                "seconds": lag.seconds,
                "from": lag.origin,
                "correlation": None if lag.correlation is None else round(lag.correlation, 3),
            },
        }
        return super()._state() | {"replay": replay}


def _look_message(seq: int, time_s: float) -> bytes:
    return messages.encode(
        "look", seq=seq, outline=[], usable=True, advice=[], capture=None, time=round(time_s, 4)
    )
