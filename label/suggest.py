"""Propose the most useful frames of a recording to label, with a contact sheet of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError
from mtclar.engine.estimate.active_learning import propose
from mtclar.label.labelling import FollowedFace, follow_face, labels_by_frame
from mtclar.label.scan.face_scan import OK, Advance, FaceScanner
from mtclar.label.scan.people import FaceChoice
from mtclar.label.scan.recording import Image, Recording
from mtclar.label.scan.scan_journal import ScanJournal
from mtclar.label.values.modes import LabelledFrames
from mtclar.stream.label_formats.label_file import Label, thinned

MAX_CANDIDATES = 2000  # evenly selected from a longer recording
COLUMNS = 4
TILE_WIDTH, CAPTION, GAP = 260, 26, 8  # pixels
BACKGROUND, FOREGROUND = (250, 250, 250), (40, 40, 40)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A frame that should be labelled."""

    row: int
    time_s: float
    gain: float  # expected reduction of the squared error over all frames, as a share


def suggest(
    recording: Recording,
    labels: Sequence[Label],
    scanner: FaceScanner,
    count: int,
    rate_hz: float,
    face: FaceChoice | None,
    journal: ScanJournal,
    advance: Advance,
) -> tuple[list[Suggestion], FollowedFace]:
    """Propose at most `count` frames of one person, most useful first, given the existing `labels` (may be empty).

    Raises UsageError for labels that match no frame, MtclarError if no frame shows a usable face.
    """
    _, labels = labels_by_frame(recording.times_s, labels)
    labelled, labels = labels_by_frame(recording.times_s, thinned(labels))
    followed = follow_face(recording, labelled, scanner, rate_hz, face, journal, advance)
    scan = followed.scan
    if not len(scan.rows):
        raise MtclarError(f"{recording.name}: no frame shows a usable face")
    usable = scan.state[labelled] == OK
    support = None
    if usable.any():
        at = np.searchsorted(scan.rows, labelled[usable])
        given = np.array([(label.valence, label.arousal) for label in labels])[usable]
        support = LabelledFrames(scan.encoded[at], given, recording.times_s[scan.rows[at]]).support()
    total = len(scan.rows)
    some = np.unique(np.linspace(0, total - 1, min(total, MAX_CANDIDATES)).astype(np.int64))
    free = ~np.isin(scan.rows[some], labelled)
    proposals = propose(scan.encoded[some], support, count, allowed=free)
    rows = [int(scan.rows[some[proposal.index]]) for proposal in proposals]
    suggestions = [
        Suggestion(row, float(recording.times_s[row]), proposal.gain)
        for row, proposal in zip(rows, proposals, strict=True)
    ]
    return suggestions, followed


def contact_sheet(recording: Recording, suggestions: Sequence[Suggestion]) -> bytes:
    """The suggested frames with their times and numbers, most useful first, as PNG."""
    selected = np.zeros(len(recording.times_s), bool)
    selected[[suggestion.row for suggestion in suggestions]] = True
    images = {row: image for row, image in recording.images(selected) if image is not None}
    tiles = [
        _tile(images[item.row], f"{number}.  {item.time_s:.2f} s   -{100 * item.gain:.0f} % error")
        for number, item in enumerate(suggestions, 1)
    ]
    blank = np.full_like(tiles[0], BACKGROUND)
    tiles += [blank] * (-len(tiles) % min(COLUMNS, len(tiles)))
    columns = min(COLUMNS, len(tiles))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return bytes(cv2.imencode(".png", np.vstack(rows))[1])


def template(suggestions: Sequence[Suggestion]) -> bytes:
    """A labels.csv with empty values, in order of time."""
    times = sorted(suggestion.time_s for suggestion in suggestions)
    return "\n".join(["time,valence,arousal", *(f"{t_s:.4f},," for t_s in times), ""]).encode()


def _tile(image: Image, text: str) -> NDArray[np.uint8]:
    height = round(TILE_WIDTH * image.shape[0] / image.shape[1])
    tile = np.full((height + CAPTION + GAP, TILE_WIDTH + GAP, 3), BACKGROUND, np.uint8)
    tile[:height, :TILE_WIDTH] = cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    cv2.putText(tile, text, (4, height + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, FOREGROUND, 1, cv2.LINE_AA)
    return tile
