"""Editing of support sets: merge, prune, re-embed with another encoder, export.

No function changes its argument: each returns a new support set or the exported text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.evaluation.report import group_labels, predict_left_out, quadrant_of
from mtclar.engine.errors import SupportSetError, UsageError
from mtclar.engine.estimate.active_learning import propose
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.files.writing import write_together
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_file import ARRAYS
from mtclar.engine.support_set import CONDITIONS, RECORD_AGAIN, SupportSet
from mtclar.stream.label_formats.label_file import Label, write_labels

Format = Literal["csv", "json"]
FORMATS: Mapping[str, Format] = {".csv": "csv", ".json": "json"}  # by suffix


def merge(sets: Sequence[tuple[str, SupportSet]], subject: str | None = None) -> SupportSet:
    """One support set of all frames, in the order given; `sets`: (name for messages, set).

    Keeps crops and conditions when all sets have them. Raises UsageError when the sets have different subjects and no
    `subject` is given, when encoders or framings differ, and when a frame is in two sets.
    """
    if len(sets) < 2:
        raise UsageError("merging needs at least two support sets", "name another file")
    if subject is not None and not ((subject := subject.strip()) and subject.isprintable()):
        raise UsageError(
            "--subject is empty or has an unprintable character", "use letters, digits and spaces"
        )
    (first_name, first), *others = sets
    subjects = sorted({support.subject for _, support in sets})
    if subject is None and len(subjects) > 1:
        raise UsageError(
            f"the support sets are of different people: {', '.join(subjects)}",
            "frames of two people cannot be compared; if they are one person, add --subject NAME",
        )
    for name, support in others:
        if support.encoder != first.encoder:
            raise UsageError(
                f"{name} was made with the encoder {support.encoder.name} ({support.encoder.sha256[:12]}) "
                f"and {first_name} with {first.encoder.name} ({first.encoder.sha256[:12]}), "
                "or their face crops are framed differently",
                "`mtclar-stream support reembed` converts sets whose crops were kept",
            )
    _refuse_duplicates(sets)
    joined: dict[str, Any] = {}
    for name in ARRAYS:
        parts = [getattr(support, name) for _, support in sets]
        joined[name] = None if any(part is None for part in parts) else np.concatenate(parts)
    sources = tuple(support.source_of(row) for _, support in sets for row in range(len(support)))
    notes = [support.notes for _, support in sets if support.notes]
    return replace(
        first,
        **joined,
        subject=first.subject if subject is None else subject,
        source=", ".join(dict.fromkeys(source for source in sources if source)),
        sources=sources,
        created=max(support.created for _, support in sets),
        notes="; ".join([*notes, f"merged from {len(sets)} support sets"]),
    )


def _refuse_duplicates(sets: Sequence[tuple[str, SupportSet]]) -> None:
    seen: dict[bytes, tuple[int, int]] = {}
    for number, (name, support) in enumerate(sets):
        for i, embedding in enumerate(support.embeddings):
            other, row = seen.setdefault(embedding.tobytes(), (number, i))
            if other != number:
                raise UsageError(
                    f"The same frame is in both files: frame {i + 1} of {name} is frame {row + 1} of {sets[other][0]}",
                    "leave one of the files out",
                )


def keep_most_useful(support: SupportSet, count: int) -> SupportSet:
    """The `count` frames whose labels predict the others best, in their old order. Raises UsageError."""
    if not 1 <= count <= len(support):
        raise UsageError(
            f"cannot keep {count} of {len(support)} frames", f"choose a number from 1 to {len(support)}"
        )
    chosen = propose(support.encoded, None, count)
    return support.only(np.sort([proposal.index for proposal in chosen]))


def drop_large_errors(support: SupportSet, limit: float) -> SupportSet:
    """Drops the frames whose leave-one-out error is above `limit` in valence or arousal.

    Raises UsageError when no frame would be left.
    """
    kept = np.flatnonzero(leave_one_out_errors(support).max(1) <= limit)
    if not len(kept):
        raise UsageError(
            f"the error of every frame is above {limit:g}", "choose a larger limit, or calibrate again"
        )
    return support.only(kept)


def leave_one_out_errors(support: SupportSet) -> NDArray[np.float64]:
    """[N, 2] absolute error of each frame, predicted from the other labels."""
    predicted = predict_left_out(support, group_labels(support.labels))
    return np.asarray(np.abs(predicted - support.labels))


def reembed(support: SupportSet, encoder: Encoder, identity: EncoderIdentity) -> SupportSet:
    """Encodes the stored crops with another encoder. Raises SupportSetError without crops, or with another framing."""
    if support.crops is None:
        raise SupportSetError(
            "the face crops were not kept, so another encoder has nothing to encode",
            f"{RECORD_AGAIN}; with --keep-crops the next one can be converted",
        )
    if support.encoder.framing != identity.framing:
        raise SupportSetError(
            f"the face crops have the framing {support.encoder.framing}, and this encoder needs {identity.framing}",
            RECORD_AGAIN,
        )
    encoded = encoder(np.ascontiguousarray(support.crops))
    return replace(
        support,
        embeddings=encoded.embedding,
        absolute=encoded.absolute,
        encoder=identity,
    )


def export(support: SupportSet, form: Format) -> str:
    """The text of a label file for `calibrate --labels` (csv), or everything except embeddings (json)."""
    if form == "csv":
        rows = enumerate(zip(support.times_s.tolist(), support.labels.tolist(), strict=True))
        return write_labels(
            Label(time_s, _round(v), _round(a), video=support.source_of(row))
            for row, (time_s, (v, a)) in rows
        )
    errors = leave_one_out_errors(support)
    frames = []
    for i, label in enumerate(support.labels.tolist()):
        frame = {
            "source": support.source_of(i),
            "time": _round(support.times_s[i]),
            "label": list(map(_round, label)),
            "region": quadrant_of(*label),
            "absolute": list(map(_round, support.absolute[i])),
            "left_out_error": list(map(_round, errors[i])),
            "quality": _round(support.quality[i]),
        }
        if support.conditions is not None:
            frame |= dict(zip(CONDITIONS, map(_round, support.conditions[i]), strict=True))
        frames.append(frame)
    about = {
        "subject": support.subject,
        "created": support.created,
        "source": support.source,
        "model": {"name": support.encoder.name, "sha256": support.encoder.sha256},
        "notes": support.notes,
    }
    return json.dumps({**about, "frames": frames}, indent=1, ensure_ascii=False) + "\n"


def _round(value: float) -> float:
    return round(float(value), 4)


def write_crops(support: SupportSet, folder: Path) -> list[Path]:
    """Writes the face crops as PNG, mode 0600, all or none. UsageError without crops, or for an existing file."""
    if support.crops is None:
        raise UsageError("this support set has no face crops", "only `calibrate --keep-crops` keeps them")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "name another folder for the pictures")
    digits = len(str(len(support) - 1))
    paths = [folder / f"{i:0{digits}}.png" for i in range(len(support))]
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} exists already", "name another folder")
    write_together(dict(zip(paths, map(png, support.crops), strict=True)))
    return paths


def png(crop: NDArray[np.uint8]) -> bytes:
    """A face crop [S, S] as the bytes of a PNG file."""
    import cv2

    _, data = cv2.imencode(".png", crop)
    return data.tobytes()
