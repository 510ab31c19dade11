"""ELAN's .eaf: tiers `valence` and `arousal` with a number in each annotation.

Where an annotation of one tier overlaps one of the other, a label stands in the middle of what they share. The format:
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from mtclar.stream.label_formats.label import AXES, SHOWN, Label, Place, Scale
from mtclar.stream.label_formats.table import NAMES

HINT = "two tiers, `valence` and `arousal`, each annotation with a number such as 0.25"


class Annotation(NamedTuple):
    """A number from one time slot to another."""

    start: str  # ids of time slots
    end: str
    text: str
    line: int


@dataclass(slots=True)
class Document:
    """The parts of a document that labels need."""

    file: str
    slots: dict[str, int] = field(default_factory=dict)  # milliseconds
    origin_ms: int = 0  # of the media file on the document's time line
    tiers: dict[str, list[Annotation]] = field(default_factory=dict)  # by axis
    _tier: str = ""
    _open: tuple[str, str, int] | None = None
    _text: str | None = None

    def start(self, line: int, tag: str, attributes: Mapping[str, str]) -> None:
        place = Place(self.file, line, tag)
        if tag == "TIME_SLOT" and "TIME_VALUE" in attributes:
            self.slots[attributes.get("TIME_SLOT_ID", "")] = self._ms(attributes["TIME_VALUE"], place)
        elif tag == "MEDIA_DESCRIPTOR" and "TIME_ORIGIN" in attributes:
            self.origin_ms = self._ms(attributes["TIME_ORIGIN"], place)
        elif tag == "TIER":
            name = NAMES.get(attributes.get("TIER_ID", "").partition("@")[0].strip().casefold(), "")
            if name in self.tiers:
                raise place.error(
                    f"a second tier for {name}: {attributes['TIER_ID'][:SHOWN]!r}", "remove or rename one"
                )
            self._tier = name if name in AXES else ""
            if self._tier:
                self.tiers[name] = []
        elif tag == "ALIGNABLE_ANNOTATION":
            self._open = attributes.get("TIME_SLOT_REF1", ""), attributes.get("TIME_SLOT_REF2", ""), line
        elif tag == "ANNOTATION_VALUE":
            self._text = ""

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text += text

    def end(self, tag: str) -> None:
        if tag == "ANNOTATION_VALUE" and self._tier and self._open is not None:
            start, end, line = self._open
            self.tiers[self._tier].append(Annotation(start, end, (self._text or "").strip(), line))
        if tag in ("ANNOTATION_VALUE", "TIER"):
            self._text = None
        if tag == "TIER":
            self._tier = ""

    def values(self, axis: str, scale: Scale) -> list[tuple[float, float, float, int]]:
        """(start_s, end_s, value, line) of the annotations of a tier, in order; empty ones are left out."""
        found = []
        for start, end, text, line in self.tiers[axis]:
            place = Place(self.file, line, axis)
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
            found.append((start_ms / 1000, end_ms / 1000, scale(place.number(text, HINT), place), line))
        found.sort()
        for (_, end_s, *_), (start_s, _, _, line) in itertools.pairwise(found):
            if start_s < end_s:
                raise Place(self.file, line, axis).error(
                    "the annotation overlaps the one before it", "shorten one of them"
                )
        return found

    def _ms(self, text: str, place: Place) -> int:
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 16):
            raise place.error(
                f"'{text[:SHOWN]}' is not a time in milliseconds", "save the file again with ELAN"
            )
        return int(text)


def parse_elan(data: bytes, file: str, scale: Scale) -> list[Label]:
    """The labels of a document, on the time line of its media file, in order. Raises UsageError."""
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
    missing = [axis for axis in AXES if axis not in document.tiers]
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
