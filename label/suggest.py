"""Which frames of a recording a person should label next, and a contact sheet of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtclar.engine.errors import MtclarError
from mtclar.engine.estimate.active_learning import propose
from mtclar.label.face_scan import OK, Advance, Looker, to_look_at
from mtclar.label.journal import Journal
from mtclar.label.labelling import labelled_rows
from mtclar.label.modes import LabelledFrames, rows_of
from mtclar.label.recording import Picture, Recording
from mtclar.stream.label_file import Label

MOST_FACES = 2000  # chosen from; of a longer recording, evenly
COLUMNS = 4
TILE_WIDTH, CAPTION, GAP = 260, 26, 8  # pixels
PAPER, INK = (250, 250, 250), (40, 40, 40)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A frame worth a label."""

    row: int
    time_s: float
    gain: float  # share of the expected squared error over all frames that its label takes away


def suggest(
    recording: Recording,
    labels: Sequence[Label],
    looker: Looker,
    count: int,
    rate_hz: float,
    journal: Journal,
    advance: Advance,
) -> list[Suggestion]:
    """At most `count` frames, best first, beside what `labels` (perhaps none) say already.

    Raises UsageError for labels that mean no frame, MtclarError when no frame shows a face.
    """
    labelled = labelled_rows(recording.times_s, labels)
    looked = looker.look(recording, to_look_at(recording.times_s, rate_hz, labelled), journal, advance)
    if not len(looked.rows):
        raise MtclarError(f"{recording.name}: no frame shows a face that can be measured")
    usable = looked.state[labelled] == OK
    support = None
    if usable.any():
        at = np.searchsorted(looked.rows, labelled[usable])
        given = np.array([(label.valence, label.arousal) for label in labels])[usable]
        support = LabelledFrames(
            rows_of(looked.encoded, at), given, recording.times_s[looked.rows[at]]
        ).support()
    total = len(looked.rows)
    some = np.unique(np.linspace(0, total - 1, min(total, MOST_FACES)).astype(np.int64))
    free = ~np.isin(looked.rows[some], labelled)
    proposals = propose(rows_of(looked.encoded, some), support, count, allowed=free)
    rows = [int(looked.rows[some[proposal.index]]) for proposal in proposals]
    return [
        Suggestion(row, float(recording.times_s[row]), proposal.gain)
        for row, proposal in zip(rows, proposals, strict=True)
    ]


def contact_sheet(recording: Recording, suggestions: Sequence[Suggestion]) -> bytes:
    """The suggested frames with their times and numbers, best first, as PNG."""
    wanted = np.zeros(len(recording.times_s), bool)
    wanted[[one.row for one in suggestions]] = True
    pictures = {row: picture for row, picture in recording.pictures(wanted) if picture is not None}
    tiles = [
        _tile(pictures[one.row], f"{number}.  {one.time_s:.2f} s   -{100 * one.gain:.0f} % error")
        for number, one in enumerate(suggestions, 1)
    ]
    blank = np.full_like(tiles[0], PAPER)
    tiles += [blank] * (-len(tiles) % min(COLUMNS, len(tiles)))
    columns = min(COLUMNS, len(tiles))
    rows = [np.hstack(tiles[start : start + columns]) for start in range(0, len(tiles), columns)]
    return bytes(cv2.imencode(".png", np.vstack(rows))[1])


def template(suggestions: Sequence[Suggestion]) -> bytes:
    """A labels.csv to be filled in, in order of time."""
    times = sorted(one.time_s for one in suggestions)
    return "\n".join(["time,valence,arousal", *(f"{t_s:.4f},," for t_s in times), ""]).encode()


def _tile(picture: Picture, text: str) -> NDArray[np.uint8]:
    height = round(TILE_WIDTH * picture.shape[0] / picture.shape[1])
    tile = np.full((height + CAPTION + GAP, TILE_WIDTH + GAP, 3), PAPER, np.uint8)
    tile[:height, :TILE_WIDTH] = cv2.resize(picture, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)
    cv2.putText(tile, text, (4, height + 18), cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)
    return tile
