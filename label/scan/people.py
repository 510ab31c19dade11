"""Which of the faces seen in a recording are one person, and which person the labels are about.

The face tracker gives runs of frames with one face: it starts again at each chunk and forgets a face after a second.
Here the runs are joined by their thumbnails, the most alike first, and never two runs that share a frame.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.face.thumbnail import SAME, thumbnail_distance

Rows = NDArray[np.int64]
Array = NDArray[np.float64]

SAMPLES = 32  # thumbnails of a run that are compared with those of other runs
BRIEF = 2  # frames: a person seen in no more of them is not worth a message
NUMBERS = re.compile(r"\d{1,4}(,\d{1,4})*")
PLACE = re.compile(r"(\d{1,5}),(\d{1,5})@(\d{1,6}(?:\.\d{1,6})?)")


@dataclass(frozen=True, slots=True, eq=False)
class FaceDetails:
    """What tables say about k faces besides their values."""

    pose_deg: NDArray[np.float32]  # [k, 3] yaw, pitch, roll as FaceCrop has them
    light: NDArray[np.float32]  # [k, 2] brightness and sharpness as FaceCrop has them
    parts: NDArray[np.float32]  # [k, 3] opening of the eyes and of the mouth as FaceCrop has them, 1: talking
    faults: NDArray[np.str_]  # [k] names of quality issues, joined by "; "
    blendshapes: NDArray[np.float32]  # [k, 52]; [k, 0] where they were not computed

    def __getitem__(self, rows: Rows) -> "FaceDetails":
        return FaceDetails(*(getattr(self, name)[rows] for name in DETAILS))


DETAILS = tuple(one.name for one in fields(FaceDetails))


@dataclass(frozen=True, slots=True, eq=False)
class SeenFaces:
    """k faces of all people, in order of frames, then from left to right."""

    rows: Rows  # [k] frames
    runs: Rows  # [k] equal numbers: one face followed by the tracker
    boxes: NDArray[np.float32]  # [k, 4] pixels
    thumbnails: NDArray[np.uint8]  # [k, SIDE, SIDE, 3] BGR
    usable: NDArray[np.bool_]  # [k] within the quality limits
    encoded: Encoded  # k faces
    details: FaceDetails

    def __len__(self) -> int:
        return len(self.rows)

    def areas(self) -> Array:
        """[k] square pixels."""
        low, high = self.boxes[:, :2], self.boxes[:, 2:]
        return np.asarray(np.prod(high - low, axis=1), np.float64)


@dataclass(frozen=True, slots=True)
class Person:
    """One of the people seen, for messages and `--face`."""

    number: int  # from 1, in order of appearance
    frames: int  # scanned frames with this face
    first_s: float
    last_s: float
    at: tuple[int, int]  # centre of the face where it was first seen, pixels

    def __str__(self) -> str:
        x, y = self.at
        return (
            f"face {self.number}: {self.first_s:.1f} to {self.last_s:.1f} s, in {self.frames} scanned frames, "
            f"first at {x},{y} px"
        )


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """The option `--face`: numbers of faces that are one person, or the place of the face at a time."""

    numbers: tuple[int, ...] = ()
    place: tuple[int, int] = (0, 0)  # pixels of the upright picture
    time_s: float | None = None  # of the place; None: `numbers` choose

    def __str__(self) -> str:
        if self.time_s is None:
            return ",".join(map(str, self.numbers))
        return f"{self.place[0]},{self.place[1]}@{self.time_s:.6f}"

    @classmethod
    def parse(cls, text: str) -> "FaceChoice":
        """`2`, `1,3` or `420,180@12.5`. Raises UsageError for anything else."""
        if NUMBERS.fullmatch(text):
            return cls(tuple(int(number) for number in text.split(",")))
        if match := PLACE.fullmatch(text):
            return cls(place=(int(match[1]), int(match[2])), time_s=float(match[3]))
        raise UsageError(
            f"--face {text[:40]!r} is neither a number nor a place",
            "a number as `label` prints it (2; 1,3 if both are the same person), or X,Y@SECONDS in pixels "
            "(420,180@12.5)",
        )


def number_people(seen: SeenFaces) -> Rows:
    """Number [k] of the person of each face: from 1, in order of appearance."""
    run_of = _split_runs(seen)  # [k], 0 to r - 1
    members = (
        np.split(np.argsort(run_of, kind="stable"), np.cumsum(np.bincount(run_of))[:-1]) if len(seen) else []
    )
    person_of_run = np.arange(len(members))
    rows = [set(seen.rows[faces].tolist()) for faces in members]
    for one, other in _alike(seen, members):
        first, second = person_of_run[one], person_of_run[other]
        if first != second and rows[first].isdisjoint(rows[second]):
            rows[first] |= rows[second]
            person_of_run[person_of_run == second] = first
    person = person_of_run[run_of]
    _, first_faces, numbers = np.unique(person, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first_faces))[numbers] + 1, np.int64)


def describe_people(seen: SeenFaces, people: Rows, times_s: Array) -> tuple[Person, ...]:
    """The people in more than BRIEF frames, in order of appearance."""
    found = []
    for number in range(1, int(people.max(initial=0)) + 1):
        faces = np.flatnonzero(people == number)
        if len(faces) > BRIEF:
            x0, y0, x1, y1 = seen.boxes[faces[0]].tolist()
            first_s, last_s = times_s[seen.rows[faces[[0, -1]]]].tolist()
            found.append(
                Person(number, len(faces), first_s, last_s, (round((x0 + x1) / 2), round((y0 + y1) / 2)))
            )
    return tuple(found)


def choose_person(
    seen: SeenFaces, people: Rows, labelled: Rows, choice: FaceChoice | None, at_row: int | None
) -> tuple[int, ...]:
    """The numbers of the labelled person: those of `choice`, or the one who is largest in most labelled frames.

    Without labels: the one who is largest over all frames. `at_row` is the frame of the choice's time. Raises
    UsageError if there is no such face.
    """
    if choice is not None and at_row is not None:
        return (_person_at(seen, people, choice, at_row),)
    if choice is not None:
        missing = [number for number in choice.numbers if number not in people]
        if missing:
            raise UsageError(
                f"there is no face {missing[0]}", f"{int(people.max(initial=0))} faces were seen"
            )
        return choice.numbers
    areas = seen.areas()
    votes = np.bincount(
        people, areas / max(float(areas.sum()), 1.0), 2
    )  # below 1: decides between equal votes
    for row in labelled.tolist():
        faces = np.flatnonzero(seen.rows == row)
        if len(faces):
            votes[people[faces[np.argmax(areas[faces])]]] += 1
    return (int(np.argmax(votes)),)


def faces_of(seen: SeenFaces, people: Rows, numbers: tuple[int, ...]) -> Rows:
    """Indices [m] of the faces of these people, one a frame: the largest if there are more."""
    faces = np.flatnonzero(np.isin(people, numbers))
    order = faces[np.lexsort((-seen.areas()[faces], seen.rows[faces]))]
    return order[np.unique(seen.rows[order], return_index=True)[1]]


def _person_at(seen: SeenFaces, people: Rows, choice: FaceChoice, row: int) -> int:
    faces = np.flatnonzero(seen.rows == row)
    x, y = choice.place
    for face in faces.tolist():
        x0, y0, x1, y1 = seen.boxes[face].tolist()
        if x0 <= x <= x1 and y0 <= y <= y1:
            return int(people[face])
    centres = [f"{(b[0] + b[2]) / 2:.0f},{(b[1] + b[3]) / 2:.0f}" for b in seen.boxes[faces].tolist()]
    raise UsageError(
        f"there is no face at {x},{y} px at {choice.time_s:g} s",
        f"faces in this frame: {'; '.join(centres)}" if centres else "this frame shows no face",
    )


def _split_runs(seen: SeenFaces) -> Rows:
    """Run [k] of each face, from 0 in order of appearance; a run ends where the face suddenly looks different."""
    latest: dict[int, tuple[int, int]] = {}  # the tracker's number -> its latest face and that face's run
    runs = np.zeros(len(seen), np.int64)
    count = 0
    for face, number in enumerate(seen.runs.tolist()):
        before, run = latest.get(number, (-1, -1))
        if before < 0 or thumbnail_distance(seen.thumbnails[[before]], seen.thumbnails[[face]])[0, 0] > SAME:
            run, count = count, count + 1
        runs[face] = run
        latest[number] = face, run
    return runs


def _alike(seen: SeenFaces, members: list[Rows]) -> Iterator[tuple[int, int]]:
    """Pairs of runs whose nearest thumbnails are at most SAME apart, the most alike first."""
    samples = [
        faces[np.unique(np.linspace(0, len(faces) - 1, min(len(faces), SAMPLES)).astype(np.int64))]
        for faces in members
    ]
    every = np.concatenate(samples) if samples else np.zeros(0, np.int64)
    starts = np.cumsum([0, *(len(some) for some in samples)])[:-1]
    pairs = []
    for one, some in enumerate(samples[:-1]):
        apart = thumbnail_distance(seen.thumbnails[some], seen.thumbnails[every[starts[one + 1] :]]).min(
            axis=0
        )
        nearest = np.minimum.reduceat(apart, starts[one + 1 :] - starts[one + 1])
        pairs += [(float(nearest[at]), one, one + 1 + int(at)) for at in np.flatnonzero(nearest <= SAME)]
    return ((one, other) for _, one, other in sorted(pairs))
