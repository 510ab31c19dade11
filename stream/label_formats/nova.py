"""NOVA's .annotation: a continuous scheme for each of valence and arousal, its samples in a second file (name + ~).

`face.valence.annotation`, `face.arousal.annotation` or `face.annotation` name the same pair. Samples that are nan or
have confidence 0 are left out. The format: https://github.com/hcmlab/nova, docs.
"""

import math
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

from mtclar.engine.errors import UsageError
from mtclar.stream.label_formats.label import AXES, SHOWN, Label, Place, Scale

SUFFIX = ".annotation"
HINT = "export a CONTINUOUS scheme for each of valence and arousal from NOVA"
SAMPLE = struct.Struct("<ff")  # value, confidence
MAX_RATE_HZ = 1000.0


def pair_of(path: Path) -> dict[str, Path]:
    """The annotation file of each axis, whichever of the pair `path` names."""
    stem = path.name.removesuffix(SUFFIX)
    for axis in AXES:
        if axis in stem.casefold():
            at = stem.casefold().rindex(axis)
            names = {other: stem[:at] + other + stem[at + len(axis) :] for other in AXES}
            names[axis] = stem
            return {other: path.with_name(name + SUFFIX) for other, name in names.items()}
    return {axis: path.with_name(f"{stem}.{axis}{SUFFIX}") for axis in AXES}


def parse_nova(path: Path, read: Callable[[Path], bytes], scale: Scale | None) -> list[Label]:
    """The labels of a pair of files, on the time line of the media file. The schemes' ranges are the default scale.

    Raises UsageError, and whatever `read` raises.
    """
    axes = {axis: _samples(file, read, scale) for axis, file in pair_of(path).items()}
    (rate_hz, valence), (other_hz, arousal) = axes.values()
    if abs(rate_hz - other_hz) > 1e-3 * rate_hz:
        raise UsageError(
            f"{path}: valence has {rate_hz:g} samples a second, arousal {other_hz:g}", "export both alike"
        )
    labels = [
        Label(at / rate_hz, v, a, line=at + 1)
        for at, (v, a) in enumerate(zip(valence, arousal, strict=False))
        if v is not None and a is not None
    ]
    if not labels:
        raise UsageError(f"{path}: no sample has both valence and arousal", HINT)
    return labels


def _samples(
    file: Path, read: Callable[[Path], bytes], scale: Scale | None
) -> tuple[float, list[float | None]]:
    """Samples a second, and the value of each; None without confidence."""
    place = Place(str(file), 1)
    content = read(file)
    if b"<!DOCTYPE" in content:
        raise place.error("a DOCTYPE, which NOVA never writes", HINT)
    try:
        root = ET.fromstring(content)
    except (ET.ParseError, ValueError, LookupError) as error:
        line = getattr(error, "position", (1, 0))[0]
        raise Place(str(file), line).error("not an XML file as NOVA writes it", HINT) from error
    scheme, info = root.find("scheme"), root.find("info")
    kind = "" if scheme is None else scheme.get("type", "")
    if scheme is None or info is None or kind.upper() != "CONTINUOUS":
        raise place.error(f"the scheme is {kind[:SHOWN] or 'missing'}, not CONTINUOUS", HINT)

    def number(key: str) -> float:
        return Place(str(file), 1, key).number(scheme.get(key, ""), HINT)

    rate_hz, low, high = number("sr"), number("min"), number("max")
    if not 0 < rate_hz <= MAX_RATE_HZ or low >= high:
        raise place.error(f"sr {rate_hz:g}, min {low:g}, max {high:g} are impossible", HINT)
    data_file = file.with_name(f"{file.name}~")
    data, in_scale = read(data_file), scale or Scale(low, high)
    values: list[float | None] = []
    if info.get("ftype", "ASCII").upper() == "BINARY":
        pairs = [
            (repr(value), sure)
            for value, sure in SAMPLE.iter_unpack(data[: len(data) // SAMPLE.size * SAMPLE.size])
        ]
    else:
        text = data.decode("utf-8-sig", "replace")
        pairs = []
        for line, row in enumerate(text.splitlines(), 1):
            value, _, confidence = row.strip().partition(";")
            blank = not confidence.strip()
            pairs.append(
                (
                    value,
                    1.0
                    if blank
                    else Place(str(data_file), line, "confidence").number(confidence.strip(), HINT),
                )
            )
    for line, (value, sure) in enumerate(pairs, 1):
        at = Place(str(data_file), line, "value")
        there = value.strip().casefold() not in ("", "nan", "-nan", "nan(ind)", "-nan(ind)") and sure > 0
        values.append(in_scale(at.number(value.strip(), HINT), at) if there else None)
    return rate_hz, values


def write_nova(
    axis: str, role: str, rate_hz: float, samples: Sequence[tuple[float, float]]
) -> tuple[bytes, bytes]:
    """The contents of an annotation file and its data file: (value, confidence) of each sample, nan for none."""
    header = ET.Element("annotation", {"ssi-v": "3"})
    ET.SubElement(header, "info", {"ftype": "ASCII", "size": str(len(samples))})
    ET.SubElement(header, "meta", {"role": role, "annotator": "mtclar-stream"})
    scheme = {"name": axis, "type": "CONTINUOUS", "sr": f"{rate_hz:g}", "min": "-1", "max": "1"}
    ET.SubElement(header, "scheme", scheme)
    ET.indent(header, "\t")
    lines = [
        "nan;0.0" if math.isnan(value) else f"{value + 0.0:.4f};{confidence:.3f}"
        for value, confidence in samples
    ]
    return ET.tostring(header, "utf-8", xml_declaration=True), ("\n".join(lines) + "\n").encode()


RATES_HZ = (1.0, 2.0, 4.0, 5.0, 10.0, 25.0, 30.0, 50.0, 100.0)


def label_samples(
    labels: Sequence[Label], first_frame_s: float
) -> tuple[float, dict[str, list[tuple[float, float]]]]:
    """Samples a second, and the samples of each axis: a value at the times of labels, none between them.

    The lowest rate on whose grid all labels lie, or else the highest.
    """
    times_s = [label.time_s + first_frame_s for label in labels]

    def fits(rate_hz: float) -> bool:
        return all(abs(t_s * rate_hz - round(t_s * rate_hz)) < 0.02 for t_s in times_s)

    rate_hz = next((rate_hz for rate_hz in RATES_HZ if fits(rate_hz)), RATES_HZ[-1])
    count = 1 + max((round(t_s * rate_hz) for t_s in times_s), default=0)
    samples = {axis: [(math.nan, 0.0)] * count for axis in AXES}
    for t_s, label in zip(times_s, labels, strict=True):
        for axis in AXES:
            samples[axis][round(t_s * rate_hz)] = (getattr(label, axis), 1.0)
    return rate_hz, samples
