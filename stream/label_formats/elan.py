"""ELAN's .eaf: tiers `valence` and `arousal` with a number in each annotation are labels, other tiers are segments.

Where an annotation of one tier overlaps one of the other, a label stands in the middle of what they share. The format:
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from mtclar.stream.label_formats.label import AXES, SHOWN, Label, Place, Scale
from mtclar.stream.label_formats.table import NAMES

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
HINT = "two tiers, `valence` and `arousal`, each annotation with a number such as 0.25"


class Annotation(NamedTuple):
    """A text from one time slot to another."""

    start: str  # ids of time slots
    end: str
    text: str
    line: int


class Span(NamedTuple):
    """An annotation with its times from the beginning of the media file."""

    start_s: float
    end_s: float
    text: str
    line: int


@dataclass(slots=True)
class Document:
    """The time-aligned annotations of a document."""

    file: str
    slots: dict[str, int] = field(default_factory=dict)  # milliseconds
    origin_ms: int = 0  # of the media file on the document's time line
    tiers: dict[str, list[Annotation]] = field(default_factory=dict)  # by id
    axes: dict[str, str] = field(default_factory=dict)  # id of the tier of valence and of arousal
    _tier: str | None = None
    _open: tuple[str, str, int] | None = None
    _text: str | None = None

    def start(self, line: int, tag: str, attributes: Mapping[str, str]) -> None:
        place = Place(self.file, line, tag)
        if tag == "TIME_SLOT" and "TIME_VALUE" in attributes:
            self.slots[attributes.get("TIME_SLOT_ID", "")] = self._ms(attributes["TIME_VALUE"], place)
        elif tag == "MEDIA_DESCRIPTOR" and "TIME_ORIGIN" in attributes:
            self.origin_ms = self._ms(attributes["TIME_ORIGIN"], place)
        elif tag == "TIER":
            self._tier = attributes.get("TIER_ID", "")
            self.tiers.setdefault(self._tier, [])
            name = NAMES.get(self._tier.partition("@")[0].strip().casefold(), "")
            if name in self.axes:
                raise place.error(f"a second tier for {name}: {self._tier[:SHOWN]!r}", "remove or rename one")
            if name in AXES:
                self.axes[name] = self._tier
        elif tag == "ALIGNABLE_ANNOTATION":
            self._open = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", ""), line
        elif tag == "ANNOTATION_VALUE":
            self._text = ""

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text += text

    def end(self, tag: str) -> None:
        if tag == "ANNOTATION_VALUE" and self._tier is not None and self._open is not None:
            start, end, line = self._open
            self.tiers[self._tier].append(Annotation(start, end, (self._text or "").strip(), line))
        if tag == "ANNOTATION":
            self._open = None  # an annotation that refers to another one has no time of its own
        if tag in ("ANNOTATION_VALUE", "TIER"):
            self._text = None
        if tag == "TIER":
            self._tier = None

    def spans(self, tier: str) -> list[Span]:
        """The annotations of a tier, in order; empty ones are left out. Raises UsageError for impossible times."""
        found = []
        for start, end, text, line in self.tiers[tier]:
            place = Place(self.file, line, tier)
            if not text:
                continue
            times = [self.slots.get(slot) for slot in (start, end)]
            if None in times:
                raise place.error("the annotation has no time", "give it a beginning and an end in ELAN")
            start_ms, end_ms = (ms + self.origin_ms for ms in times if ms is not None)
            if not 0 <= start_ms < end_ms:
                raise place.error(
                    f"the annotation runs from {start_ms} to {end_ms} ms", "its end comes after its beginning"
                )
            found.append(Span(start_ms / 1000, end_ms / 1000, text, line))
        return sorted(found)

    def values(self, axis: str, scale: Scale) -> list[tuple[float, float, float, int]]:
        """(start_s, end_s, value, line) of the annotations of an axis, in order; empty ones are left out."""
        found: list[tuple[float, float, float, int]] = []
        for start_s, end_s, text, line in self.spans(self.axes[axis]):
            place = Place(self.file, line, axis)
            if found and start_s < found[-1][1]:
                raise place.error("the annotation overlaps the one before it", "shorten one of them")
            found.append((start_s, end_s, scale(place.number(text, HINT), place), line))
        return found

    def _ms(self, text: str, place: Place) -> int:
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 16):
            raise place.error(
                f"'{text[:SHOWN]}' is not a time in milliseconds", "save the file again with ELAN"
            )
        return int(text)


def parse_document(data: bytes, file: str) -> Document:
    """All tiers of a document. Raises UsageError with the line of what is wrong."""
    document = Document(file)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: document.start(
        parser.CurrentLineNumber, tag, attributes
    )
    parser.EndElementHandler = document.end
    parser.CharacterDataHandler = document.text

    def refuse_document_type(*_: object) -> None:  # it could define entities that grow without end
        raise Place(file, parser.CurrentLineNumber).error("a DOCTYPE, which ELAN never writes", HINT)

    parser.StartDoctypeDeclHandler = refuse_document_type
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code) or "damaged"
        raise Place(file, error.lineno).error(f"not an XML file as ELAN writes it: {reason}", HINT) from error
    except (LookupError, ValueError) as error:  # an unknown encoding
        raise Place(file, 1).error(f"not an XML file as ELAN writes it: {error}", HINT) from error
    return document


def parse_elan(data: bytes, file: str, scale: Scale) -> list[Label]:
    """The labels of a document, on the time line of its media file, in order. Raises UsageError."""
    document = parse_document(data, file)
    missing = [axis for axis in AXES if axis not in document.axes]
    if missing:
        raise Place(file, 1).error(f"there is no tier {' and no tier '.join(missing)}", HINT)
    valence, arousal = (document.values(axis, scale) for axis in AXES)
    labels, i, j = [], 0, 0
    while i < len(valence) and j < len(arousal):
        start_s = max(valence[i][0], arousal[j][0])
        end_s = min(valence[i][1], arousal[j][1])
        if start_s < end_s:
            labels.append(Label((start_s + end_s) / 2, valence[i][2], arousal[j][2], line=valence[i][3]))
        if valence[i][1] <= arousal[j][1]:
            i += 1
        else:
            j += 1
    if not labels:
        raise Place(file, 1).error("no annotation of `valence` overlaps one of `arousal`", HINT)
    return labels


Tier = Sequence[tuple[int, int, str]]
"""Annotations that do not overlap: (start_ms, end_ms, text), from the beginning of the media file."""


def write_elan(tiers: Mapping[str, Tier], out: Path, video: Path | None) -> bytes:
    """The content of the .eaf file `out` (EAF 3.0), which refers to the video, if any, by its relative path."""
    document = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "mtclar-stream",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
            "xsi:noNamespaceSchemaLocation": SCHEMA,
        },
    )
    header = ET.SubElement(document, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    if video is not None:
        relative = os.path.relpath(video.absolute(), out.absolute().parent)
        media = {
            "MEDIA_URL": video.absolute().as_uri(),
            "RELATIVE_MEDIA_URL": f"./{Path(relative).as_posix()}",
        }
        kind = "video/mp4" if video.suffix.lower() == ".mp4" else "unknown"
        ET.SubElement(header, "MEDIA_DESCRIPTOR", {**media, "MIME_TYPE": kind})
    order = ET.SubElement(document, "TIME_ORDER")
    edges = sorted({edge for annotations in tiers.values() for one in annotations for edge in one[:2]})
    slots = {ms: f"ts{number}" for number, ms in enumerate(edges, 1)}
    for ms, slot in slots.items():
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(ms)})
    number = 0
    for name, annotations in tiers.items():
        tier = ET.SubElement(document, "TIER", {"LINGUISTIC_TYPE_REF": "affect", "TIER_ID": name})
        for start, end, text in annotations:
            number += 1
            annotation = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION")
            annotation.set("ANNOTATION_ID", f"a{number}")
            annotation.set("TIME_SLOT_REF1", slots[start])
            annotation.set("TIME_SLOT_REF2", slots[end])
            ET.SubElement(annotation, "ANNOTATION_VALUE").text = text
    ET.SubElement(
        document,
        "LINGUISTIC_TYPE",
        {"GRAPHIC_REFERENCES": "false", "LINGUISTIC_TYPE_ID": "affect", "TIME_ALIGNABLE": "true"},
    )
    ET.indent(document)
    content = ET.tostring(document, "utf-8", xml_declaration=True)
    # Some readers, such as act for R, know no blank there; > is escaped in values.
    return content.replace(b" />", b"/>")


MAX_SPAN_MS = 200  # of the annotation of a label


def label_tiers(labels: Sequence[Label], first_frame_s: float) -> dict[str, Tier]:
    """Tiers of labels in order of time; each label is in the middle of its annotations, where `parse_elan` reads it."""
    starts: list[tuple[int, int]] = []
    times_ms = [round(1000 * (label.time_s + first_frame_s)) for label in labels]
    for i, middle in enumerate(times_ms):
        gaps = [abs(middle - times_ms[j]) for j in (i - 1, i + 1) if 0 <= j < len(labels)]
        half = max(1, min([MAX_SPAN_MS, *gaps]) // 2)
        starts.append((max(0, middle - half), middle + max(1, min(half, middle))))
    tiers: dict[str, Tier] = {
        axis: [(*span, f"{getattr(label, axis) + 0.0:g}") for span, label in zip(starts, labels, strict=True)]
        for axis in AXES
    }
    for name in ("category", "note"):
        if texts := [
            (*span, getattr(label, name))
            for span, label in zip(starts, labels, strict=True)
            if getattr(label, name)
        ]:
            tiers[name] = texts
    return tiers
