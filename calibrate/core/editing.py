"""Support sets as things: several made one, fewer frames kept, taken over to another encoder, listed.

Nothing here writes over what it was given: every function returns a new support set or a text.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.report import group_of, predict_left_out, region_of
from mtclar.engine.errors import SupportSetError, UsageError
from mtclar.engine.estimate.active_learning import propose
from mtclar.engine.estimate.encoder import Encoder
from mtclar.engine.face.crop import Framing
from mtclar.engine.files import write_together
from mtclar.engine.models import Card
from mtclar.engine.support_set import ARRAYS, CONDITIONS, RECORD_AGAIN, SupportSet
from mtclar.stream.label_file import Label, write_labels

Format = Literal["csv", "json"]
FORMATS: Mapping[str, Format] = {".csv": "csv", ".json": "json"}  # by the ending of a file


def merge(sets: Sequence[tuple[str, SupportSet]], subject: str | None = None) -> SupportSet:
    """One support set of all frames, in the order given; `sets` are names for messages and sets.

    Crops and conditions are kept when all sets have them. Raises UsageError when the sets are of different subjects
    and no `subject` is named, of different encoders or framings, or when a frame comes twice.
    """
    if len(sets) < 2:
        raise UsageError("merging takes two support sets at least", "name another one")
    if subject is not None and not ((subject := subject.strip()) and subject.isprintable()):
        raise UsageError(
            "--subject is empty, or holds what cannot be printed", "letters, digits and blanks do"
        )
    (first_name, first), *others = sets
    subjects = sorted({support.subject for _, support in sets})
    if subject is None and len(subjects) > 1:
        raise UsageError(
            f"the support sets are of different people: {', '.join(subjects)}",
            "frames of two people do not compare; if it is one person, say --subject NAME",
        )
    for name, support in others:
        if (support.model_sha256, support.framing) != (first.model_sha256, first.framing):
            raise UsageError(
                f"{name} was made with the encoder {support.model_name} ({support.model_sha256[:12]}) and {first_name} "
                f"with {first.model_name} ({first.model_sha256[:12]}), or their faces are cut differently",
                "`mtclar-stream support reembed` takes over sets whose crops were kept",
            )
    _refuse_duplicates(sets)
    joined: dict[str, Any] = {}
    for name in ARRAYS:
        parts = [getattr(support, name) for _, support in sets]
        joined[name] = None if any(part is None for part in parts) else np.concatenate(parts)
    sources = list(dict.fromkeys(support.source for _, support in sets if support.source))
    notes = [support.notes for _, support in sets if support.notes]
    return replace(
        first,
        **joined,
        subject=first.subject if subject is None else subject,
        source=", ".join(sources),
        created=max(support.created for _, support in sets),
        notes="\n".join([*notes, f"merged from {len(sets)} support sets"]),
    )


def _refuse_duplicates(sets: Sequence[tuple[str, SupportSet]]) -> None:
    seen: dict[bytes, tuple[int, int]] = {}
    for number, (name, support) in enumerate(sets):
        for i, embedding in enumerate(support.embeddings):
            other, row = seen.setdefault(embedding.tobytes(), (number, i))
            if other != number:
                raise UsageError(
                    f"frame {i + 1} of {name} is frame {row + 1} of {sets[other][0]}: counted twice, its label "
                    "would be believed too much",
                    "leave one of the files out",
                )


def keep_most_useful(support: SupportSet, count: int) -> SupportSet:
    """The `count` frames whose labels say most of the others, in their old order. Raises UsageError."""
    if not 1 <= count <= len(support):
        raise UsageError(
            f"cannot keep {count} of {len(support)} frames", f"a number from 1 to {len(support)}"
        )
    chosen = propose(support.encoded, None, count)
    return support.only(np.sort([proposal.index for proposal in chosen]))


def drop_far_off(support: SupportSet, limit: float) -> SupportSet:
    """Without the frames whose label the others miss by more than `limit`, in valence or arousal.

    Raises UsageError when none would be left.
    """
    kept = np.flatnonzero(left_out_errors(support).max(1) <= limit)
    if not len(kept):
        raise UsageError(f"every frame is off by more than {limit:g}", "a larger limit, or calibrate again")
    return support.only(kept)


def left_out_errors(support: SupportSet) -> NDArray[np.float64]:
    """[N, 2] how far the label of each frame is from what the other labels make of it."""
    predicted = predict_left_out(support, group_of(support.labels))
    return np.asarray(np.abs(predicted - support.labels))


def reembed(support: SupportSet, encoder: Encoder, model: Card, framing: Framing) -> SupportSet:
    """The same faces and labels as another encoder sees them. Raises SupportSetError when the crops do not allow it."""
    if support.crops is None:
        raise SupportSetError(
            "the face pictures were not kept, so another encoder has nothing to look at",
            f"{RECORD_AGAIN}; with --keep-crops the next one can be taken over",
        )
    if support.framing != framing:
        raise SupportSetError(
            f"the face pictures are cut as {support.framing}, and this encoder looks at {framing}",
            RECORD_AGAIN,
        )
    encoded = encoder(np.ascontiguousarray(support.crops))
    return replace(
        support,
        embeddings=encoded.embedding,
        absolute=encoded.absolute,
        model_name=model.name,
        model_sha256=model.sha256,
    )


def listing(support: SupportSet, form: Format) -> str:
    """The labels as a file that `calibrate --labels` reads (csv), or all but the embeddings (json)."""
    if form == "csv":
        rows = zip(support.times_s.tolist(), support.labels.tolist(), strict=True)
        return write_labels(Label(time_s, _short(v), _short(a)) for time_s, (v, a) in rows)
    errors = left_out_errors(support)
    frames = []
    for i, label in enumerate(support.labels.tolist()):
        frame = {
            "time": _short(support.times_s[i]),
            "label": list(map(_short, label)),
            "region": region_of(*label),
            "absolute": list(map(_short, support.absolute[i])),
            "left_out_error": list(map(_short, errors[i])),
            "quality": _short(support.quality[i]),
        }
        if support.conditions is not None:
            frame |= dict(zip(CONDITIONS, map(_short, support.conditions[i]), strict=True))
        frames.append(frame)
    about = {
        "subject": support.subject,
        "created": support.created,
        "source": support.source,
        "model": {"name": support.model_name, "sha256": support.model_sha256},
        "notes": support.notes,
    }
    return json.dumps({**about, "frames": frames}, indent=1, ensure_ascii=False) + "\n"


def _short(value: float) -> float:
    return round(float(value), 4)


def write_crops(support: SupportSet, folder: Path) -> list[Path]:
    """The face pictures as PNG, mode 0600, all or none. Raises UsageError when none were kept or one is there."""
    if support.crops is None:
        raise UsageError(
            "this support set holds no face pictures", "only `calibrate --keep-crops` keeps them"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", "name another place for the pictures")
    digits = len(str(len(support) - 1))
    paths = [folder / f"{i:0{digits}}.png" for i in range(len(support))]
    for path in paths:
        if path.exists():
            raise UsageError(f"{path} exists already", "name another folder")
    pictures = dict(zip(paths, map(png, support.crops), strict=True))
    write_together(
        {path: lambda file, data=data: file.write(data) for path, data in pictures.items()},  # type: ignore[misc]
        private=True,
    )
    return paths


def png(crop: NDArray[np.uint8]) -> bytes:
    """A face picture [S, S] as a PNG file."""
    import cv2

    _, data = cv2.imencode(".png", crop)
    return data.tobytes()
