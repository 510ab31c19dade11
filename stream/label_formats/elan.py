"""ELAN's .eaf: tiers `valence` and `arousal` with a number in each annotation are labels, other tiers are segments.

Where an annotation of one tier overlaps one of the other, a label stands in the middle of what they share. The format:
https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.parsers import expat

from mtclar.stream.label_formats.label import AXES, SHOWN, Label, Place, Scale
from mtclar.stream.label_formats.table import NAMES

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
