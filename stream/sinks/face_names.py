"""Names of faces for outlets whose receivers subscribe by name."""

from collections.abc import Sequence

from mtclar.engine.data_types import Affect


class FaceNames:
    """Names the faces of one stream: by subject, otherwise `face-1`, `face-2` ... by the first number that is free.

    Numbers are used again, so that a run has as many names as faces at once, and not one for every track.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, str] = {}  # track -> its name, for faces without a subject

    def __call__(self, faces: Sequence[Affect]) -> dict[str, Affect]:
        """The faces of one frame by name."""
        named: dict[str, Affect] = {}
        others = []
        for face in faces:
            if face.subject is None or named.setdefault(face.subject, face) is not face:
                others.append(face)
        self._numbers = {
            face.track_id: name for face in others if (name := self._numbers.get(face.track_id)) is not None
        }
        for face in others:
            name = self._numbers.get(face.track_id)
            number = 0
            while name is None or name in named:
                number += 1
                candidate = f"face-{number}"
                name = None if candidate in self._numbers.values() else candidate
            self._numbers[face.track_id] = name
            named[name] = face
        return named
