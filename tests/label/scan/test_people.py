"""One person is followed: over the restarts of the face tracker, past a larger face, after a loss; or gets no value."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.media.known_clips import KnownClip
from support.media.video_clips import encode

from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import UsageError
from mtclar.engine.face.thumbnail import SIDE
from mtclar.label.labelling import Outcome, Settings, label_recording
from mtclar.label.scan import face_scan
from mtclar.label.scan.face_scan import FaceScanner
from mtclar.label.scan.people import (
    FaceChoice,
    FaceDetails,
    SeenFaces,
    choose_person,
    faces_of,
    number_people,
)
from mtclar.label.scan.recording import open_recording
from mtclar.label.scan.scan_journal import ScanJournal

Place = Callable[[int], tuple[int, int] | None]  # frame -> x and width in pixels; None: not in the picture


def made_of(path: Path, people: Sequence[tuple[KnownClip, Place]]) -> Path:
    """A video of 250 frames, 640 x 300, with each clip at its place."""
    sources = [(dict(open_recording(clip.video).images(np.ones(250, bool))), place) for clip, place in people]
    pictures = []
    for i in range(250):
        picture = np.full((300, 640, 3), 120, np.uint8)
        for images, place in sources:
            if (at := place(i)) is not None:
                x, width = at
                small = cv2.resize(images[i], (width, width * 3 // 4), interpolation=cv2.INTER_AREA)  # type: ignore[arg-type]
                picture[10 : 10 + len(small), x : x + width] = small
        pictures.append(picture)
    return encode(path, pictures)


def labelled(
    video: Path, clip: KnownClip, scanner: FaceScanner, rows: Sequence[int], face: FaceChoice | None = None
) -> Outcome:
    with ScanJournal(video.with_suffix(".journal"), "a" * 64) as journal:
        return label_recording(
            open_recording(video),
            [clip.truth[row] for row in rows],
            scanner,
            Settings(face=face),
            journal,
            lambda _: None,
        )


def errors_of(outcome: Outcome, clip: KnownClip, rows: slice) -> np.ndarray:
    table = outcome.table
    error = (table.values - clip.va)[rows][table.state[rows] != "labelled"]
    assert not np.isnan(error).all()
    return np.asarray(np.sqrt(np.nanmean(error**2, axis=0)))


def test_a_larger_second_face_does_not_take_over(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_scan, "CHUNK_FRAMES", 60)  # the face tracker starts again at 120 and 180
    anna, ben = clips[0], clips[2]
    places: list[tuple[KnownClip, Place]] = [
        (anna, lambda _: (0, 240)),
        (ben, lambda i: (260, 370) if 110 <= i < 190 else None),
    ]
    video = made_of(tmp_path / "two.mp4", places)
    rows = [0, 20, 40, 60, 80, 100, 200, 220, 240]
    outcome = labelled(video, anna, scanner, rows)
    assert (errors_of(outcome, anna, slice(110, 190)) < 0.15).all()
    assert not np.isnan(outcome.table.values[110:190]).any()
    assert [person.number for person in outcome.followed.people] == [1, 2]
    assert outcome.followed.numbers == (1,)

    chosen = labelled(video, ben, scanner, [120, 140, 160, 180], FaceChoice.parse("440,140@5.2"))
    assert chosen.followed.numbers == (2,)
    assert (errors_of(chosen, ben, slice(115, 185)) < 0.15).all()
    assert set(chosen.table.state[:100]) == {"other_face", "between"}
    assert np.isnan(chosen.table.values[:100]).all()


def test_a_person_who_was_away_is_found_again_and_the_other_gets_no_value(
    clips: list[KnownClip], scanner: FaceScanner, tmp_path: Path
) -> None:
    anna, ben = clips[1], clips[3]
    away = range(80, 160)  # ben sits down on the same chair
    video = made_of(
        tmp_path / "chair.mp4",
        [
            (anna, lambda i: None if i in away else (100, 320)),
            (ben, lambda i: (100, 320) if i in away else None),
        ],
    )
    outcome = labelled(video, anna, scanner, [0, 20, 40, 60, 200, 220, 240])
    states = outcome.table.state
    assert set(states[away.start : away.stop]) == {"other_face", "between"}
    assert np.isnan(outcome.table.values[away.start : away.stop]).all()
    assert set(states[165:]) <= {"ok", "between", "labelled"}
    assert (errors_of(outcome, anna, slice(165, 250)) < 0.2).all()


def seen(runs: Sequence[Sequence[int]], looks: Sequence[int]) -> SeenFaces:
    """`runs[i]`: the frames of run i, whose thumbnails are all as bright as `looks[i]`, from a random picture each."""
    faces = sorted((row, run) for run, rows in enumerate(runs) for row in rows)
    pictures = np.random.default_rng(0).integers(0, 256, (max(looks) + 1, SIDE, SIDE, 3), np.uint8)
    number = len(faces)
    return SeenFaces(
        np.array([row for row, _ in faces], np.int64),
        np.array([run for _, run in faces], np.int64),
        np.array([(10 * run, 0, 10 * run + 8, 8 + run) for _, run in faces], np.float32).reshape(-1, 4),
        np.array([pictures[looks[run]] for _, run in faces], np.uint8).reshape(-1, SIDE, SIDE, 3),
        np.ones(number, bool),
        Encoded(np.zeros((number, 1), np.float32), np.zeros((number, 2), np.float32)),
        FaceDetails(
            *(np.zeros((number, size), np.float32) for size in (3, 2, 3)),
            np.full(number, ""),
            np.zeros((number, 0)),
        ),
    )


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), min_size=1, max_size=8),
    st.data(),
)
def test_a_person_is_at_one_place_at_a_time_and_looks_the_same(
    runs: list[list[int]], data: st.DataObject
) -> None:
    looks = data.draw(st.lists(st.integers(0, 3), min_size=len(runs), max_size=len(runs)))
    faces = seen(runs, looks)
    people = number_people(faces)
    assert list(dict.fromkeys(people.tolist())) == list(range(1, max(people) + 1))  # in order of appearance
    for person in set(people.tolist()):
        rows = faces.rows[people == person].tolist()
        assert len(rows) == len(set(rows))
        assert len({looks[run] for run in faces.runs[people == person].tolist()}) == 1
    for one, frames in enumerate(runs):  # alike and never in one frame with another of its kind: one person
        same = [other for other, look in enumerate(looks) if look == looks[one]]
        if all(set(frames).isdisjoint(runs[other]) for other in same if other != one) and len(same) == 2:
            numbers = {
                person
                for run, person in zip(faces.runs.tolist(), people.tolist(), strict=True)
                if run in same
            }
            assert len(numbers) == 1
    chosen = choose_person(faces, people, np.zeros(0, np.int64), None, None)
    assert (np.diff(faces.rows[faces_of(faces, people, chosen)]) > 0).all()


def test_the_labelled_person_is_the_largest_in_most_labelled_frames() -> None:
    faces = seen([range(10), range(8, 20)], [0, 1])  # run 1 is larger
    people = number_people(faces)
    assert choose_person(faces, people, np.array([1, 5, 9]), None, None) == (1,)
    assert choose_person(faces, people, np.array([5, 9, 15]), None, None) == (2,)
    assert choose_person(faces, people, np.array([], np.int64), None, None) == (2,)
    assert choose_person(faces, people, np.array([15]), FaceChoice((1,)), None) == (1,)
    both = faces_of(
        faces, people, choose_person(faces, people, np.array([15]), FaceChoice.parse("1,2"), None)
    )
    assert faces.rows[both].tolist() == list(range(20))
    assert people[both].tolist() == [1] * 8 + [2] * 12
    with pytest.raises(UsageError, match="no face 3"):
        choose_person(faces, people, np.array([15]), FaceChoice((3,)), None)
    with pytest.raises(UsageError, match=r"no face at 500,5 px at 0\.4 s"):
        choose_person(faces, people, np.array([15]), FaceChoice.parse("500,5@0.4"), 9)
    assert choose_person(faces, people, np.array([15]), FaceChoice.parse("14,5@0.4"), 9) == (2,)


@given(
    st.builds(FaceChoice, st.lists(st.integers(0, 9999), min_size=1).map(tuple))
    | st.builds(
        FaceChoice,
        place=st.tuples(st.integers(0, 99999), st.integers(0, 99999)),
        time_s=st.integers(0, 10**8).map(lambda ms: ms / 1000),
    ),
)
def test_a_choice_is_read_as_it_is_written(choice: FaceChoice) -> None:
    assert FaceChoice.parse(str(choice)) == choice


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "1,", "1,2@", "1,2@x", "1,2,3@4", "left"])
def test_other_choices_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--face"):
        FaceChoice.parse(text)
