"""Names of faces for outlets: stable while a face is there, few over a run."""

from dataclasses import replace

from support.pipeline_parts import affect

from mtclar.engine.data_types import Affect
from mtclar.stream.sinks.face_names import FaceNames


def stranger(track: int) -> Affect:
    return replace(affect(track), subject=None)


def test_subjects_have_their_names_and_others_the_first_free_number() -> None:
    names = FaceNames()
    assert list(names([stranger(4), affect(5), stranger(6)])) == ["anna", "face-1", "face-2"]
    assert {name: face.track_id for name, face in names([stranger(6)]).items()} == {"face-2": 6}
    assert {name: face.track_id for name, face in names([stranger(6), stranger(9)]).items()} == {
        "face-2": 6,
        "face-1": 9,
    }


def test_no_name_stands_for_two_faces() -> None:
    names = FaceNames()
    called_like_a_number = replace(affect(3), subject="face-1")
    assert list(names([stranger(1)])) == ["face-1"]
    named = names([stranger(1), called_like_a_number, affect(4), affect(5)])
    assert len(named) == 4
    assert named["face-1"] is called_like_a_number
    assert named["anna"].track_id == 4
