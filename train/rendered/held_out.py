"""The fixed test split of rendered people, rendered on first use and stored in a folder.

Each of the 24 people of `splits.TEST` gives 60 single pictures and a clip of 10 s. They are in a sub-folder named
after the version of the generator, a digest of everything that determines the pictures: a changed generator gets a new
test split, never a mixture of two. Files are written atomically, so an interrupted run continues with the missing ones.
"""

import hashlib
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from mtclar.engine import models
from mtclar.engine.errors import MtclarError, UsageError
from mtclar.engine.face.crop import FRAMING
from mtclar.train import extra
from mtclar.train.data.labelled import Clip, DatasetError, Picture, csv_rows, va_of
from mtclar.train.data.rendered_people import People
from mtclar.train.data.rendered_people import load as load_people
from mtclar.train.progress import Progress
from mtclar.train.rendered.splits import TEST

PICTURES = 60  # of each person
SECONDS = 10.0  # of each clip
SPLIT = "test"
VERSION_LETTERS = 12
DRAW_NOTHING = ("__main__.py", "held_out.py")  # of the generator's sources
MADE_AGAIN = "remove it; it is then rendered again"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The folder and the people of the test split."""

    folder: Path
    people: Sequence[int] = TEST
    pictures: int = PICTURES
    seconds: float = SECONDS
    workers: int = 1  # rendering processes

    @property
    def home(self) -> Path:
        """The sub-folder of this version of the generator."""
        return self.folder / f"rendered-{version()}"

    def load_pictures(self, progress: Progress) -> People:
        """The single pictures; missing ones are rendered first."""
        paths = [self.home / f"{person_id}-{self.pictures}.npz" for person_id in self.people]
        self._make(
            "rendering pictures of test people", paths, partial(_make_pictures, self.pictures), progress
        )
        try:
            return load_people(paths, SPLIT)
        except DatasetError as error:
            raise DatasetError(error.what, MADE_AGAIN) from error

    def load_clips(self, progress: Progress) -> list[Clip]:
        """The clips; missing ones are rendered first."""
        paths = [self.home / f"{person_id}-{self.seconds:g}s.mp4" for person_id in self.people]
        self._make("rendering clips of test people", paths, partial(_make_clip, self.seconds), progress)
        return [open_clip(path, str(person_id)) for path, person_id in zip(paths, self.people, strict=True)]

    def _make(
        self, stage: str, paths: Sequence[Path], make: Callable[[int, Path, Path], None], progress: Progress
    ) -> None:
        files = zip(self.people, paths, strict=True)
        missing = [(person_id, path) for person_id, path in files if not path.is_file()]
        if not missing:
            return
        extra.require("numba", purpose="rendering the test people")
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".part-", dir=self.home) as name:
                jobs = [partial(make, person_id, path, Path(name)) for person_id, path in missing]
                advance = progress(stage, len(jobs))
                for _ in _run(jobs, min(self.workers, len(jobs))):
                    advance(1)
        except BrokenProcessPool as error:
            raise MtclarError(
                "a process that rendered test people was killed",
                "memory may be full: --workers 1 needs least; finished files are kept",
            ) from error
        except OSError as error:
            raise MtclarError(
                f"cannot keep the rendered test people in {self.home}: {error.strerror or error}",
                "free some space; finished files are kept",
            ) from error


def _run(jobs: Sequence[Callable[[], None]], workers: int) -> Iterator[None]:
    """Runs the jobs and yields after each. When the caller stops early, running jobs still finish."""
    if workers <= 1:
        for job in jobs:
            yield job()
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_ignore_interrupts
    ) as pool:
        futures: list[Future[None]] = [pool.submit(job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ignores Ctrl-C in a worker: the parent handles it and lets running jobs finish."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _make_pictures(count: int, person_id: int, path: Path, scratch: Path) -> None:
    import cv2

    from mtclar.train.rendered.pictures import make_pictures

    cv2.setNumThreads(1)
    make_pictures(range(person_id, person_id + 1), count).save(scratch / path.name)
    (scratch / path.name).replace(path)


def _make_clip(seconds: float, person_id: int, path: Path, scratch: Path) -> None:
    import cv2

    from mtclar.train.rendered.clip_set import make_clip

    cv2.setNumThreads(1)
    video = make_clip(person_id, scratch, seconds)
    video.with_suffix(".csv").replace(path.with_suffix(".csv"))
    video.replace(path)  # last: a clip that exists has its labels


def open_clip(path: Path, name: str) -> Clip:
    """The clip at `path` with the labels beside it; its frames are decoded on demand.

    Raises DatasetError when the labels or the video are missing or broken, also while frames are decoded.
    """
    rows = csv_rows(path.with_suffix(".csv"), ("time", "valence", "arousal"))
    try:
        labels = [va_of(row["valence"], row["arousal"], where) for where, row in rows]
    except (DatasetError, UsageError) as error:
        raise DatasetError(error.what, f"remove {path}; both are then rendered again") from error
    with _opened(path) as container:
        fps = float(container.streams.video[0].average_rate or 0)

    def frames() -> Iterator[Picture | None]:
        with _opened(path) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)

    return Clip(name, name, fps, np.array(labels, np.float32), frames)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """Opens the video; turns errors of opening and decoding into a DatasetError that names it."""
    try:
        with av.open(str(path)) as container:
            yield container
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", MADE_AGAIN) from error


@cache
def version() -> str:
    """Digest of the generator: its sources and shapes, the framing of crops, and the networks that find faces."""
    digest = hashlib.sha256(repr(FRAMING).encode())
    for name in ("face_detector", "face_mesh"):
        digest.update(models.card(name).sha256.encode())
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".npz") and path.name not in DRAW_NOTHING:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:VERSION_LETTERS]
