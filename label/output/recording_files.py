"""`export RECORDING`: a recording of `run --record` as a table, or as annotations for ELAN or NOVA."""

import csv
import io
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mtclar.engine.errors import UsageError

if TYPE_CHECKING:
    from mtclar.stream.recordings.reader import Recording

TABLE, EVENTS = "values", "events"
EVENT_COLUMNS = ("t_unix", "t", "type", "stream", "text", "reason")
FILE_SUFFIXES = (".csv", ".parquet", ".eaf", ".annotation")
SUFFIXES = {"elan": ".eaf", "nova": ".annotation"}


def export_recording(path: Path, to: str, out: Path | None) -> list[Path]:
    """Writes the files of one format to `out`, by default to the recording itself; returns them. Raises UsageError."""
    from mtclar.stream.recordings.reader import Recording

    if out is not None and out.suffix.lower() in FILE_SUFFIXES and not out.is_dir():
        raise UsageError(
            f"--out {out} is the name of a file, and --to {to} writes several", "name a folder for them"
        )
    recording = Recording(path)
    return FORMATS[to](recording, recording.folder if out is None else out, to)


def _csv(recording: "Recording", out: Path, _: str) -> list[Path]:
    from mtclar.stream.table.provenance import sidecar_path

    values, events = out / f"{TABLE}.csv", out / f"{EVENTS}.csv"
    _require_new(values, sidecar_path(values), events)
    _write_values(recording, values)
    _write_events(recording, events)
    return [values, sidecar_path(values), events]


def _parquet(recording: "Recording", out: Path, _: str) -> list[Path]:
    from pyarrow import csv as arrow_csv
    from pyarrow import float64, parquet, string, types

    from mtclar.engine.files.writing import write_whole
    from mtclar.stream.table.columns import read_types
    from mtclar.stream.table.provenance import FileIdentity, sidecar_path, write_sidecar

    values, events = written = (out / f"{TABLE}.parquet", out / f"{EVENTS}.parquet")
    _require_new(values, sidecar_path(values), events)
    texts = (*read_types(), "type", "text", "reason")
    convert = arrow_csv.ConvertOptions(column_types=dict.fromkeys(texts, string()), strings_can_be_null=True)
    with tempfile.TemporaryDirectory() as folder:
        for target, write in zip(written, (_write_values, _write_events), strict=True):
            as_csv = Path(folder) / f"{target.stem}.csv"
            write(recording, as_csv)
            table = arrow_csv.read_csv(as_csv, convert_options=convert)
            for number, column in enumerate(table.schema):
                if types.is_null(column.type):  # numbers, of which there is none
                    table = table.set_column(number, column.name, table.column(number).cast(float64()))
            write_whole(target, partial(parquet.write_table, table, compression="zstd"))
        origin = json.loads(sidecar_path(Path(folder) / f"{TABLE}.csv").read_bytes())
    identity = FileIdentity.of(values)
    write_sidecar(
        values, origin | {"table": origin["table"] | {"file": identity.file, "sha256": identity.sha256}}
    )
    return [values, sidecar_path(values), events]


def _annotations(recording: "Recording", out: Path, to: str) -> list[Path]:
    """A file for each stream and person."""
    from mtclar.engine.files.writing import write_together
    from mtclar.label.output.exports import output_files, to_elan, to_nova
    from mtclar.label.output.recorded import marks_of, tables_of
    from mtclar.stream.recordings import file_name

    contents: dict[Path, bytes] = {}
    for (stream, name), table in tables_of(recording).items():
        file = out / f"{file_name(stream)}_{file_name(name)}{SUFFIXES[to]}"
        _require_new(*output_files(file))
        if to == "nova":
            contents |= to_nova(table, file, recording.folder)
        else:
            video = recording.video(stream)
            contents |= to_elan(table, file, video and video[0], marks_of(recording, stream))
    if not contents:
        raise UsageError(f"{recording.folder} has no face", "there is nothing to annotate")
    write_together(contents)
    return list(contents)


FORMATS: dict[str, Callable[["Recording", Path, str], list[Path]]] = {
    "csv": _csv,
    "parquet": _parquet,
    "elan": _annotations,
    "nova": _annotations,
}


def _write_values(recording: "Recording", path: Path) -> None:
    """The table that `run --csv` would have written: the recorded messages go through the same sink."""
    from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, StatusMessage
    from mtclar.stream.sinks.csv_file import CsvSink
    from mtclar.stream.table.provenance import SetIdentity, TableOrigin

    supports = {SetIdentity(**one) for sets in recording.support_sets.values() for one in sets}
    origin = TableOrigin(
        "export",
        recording.participant,
        recording.session,
        supports=tuple(sorted(supports, key=lambda one: one.subject)),
    )
    first_face = next((face for _, message in recording.frames() for face in message.faces), None)
    sink = CsvSink(
        path,
        blendshapes=first_face is not None and first_face.blendshapes is not None,
        pair=(recording.unix_s, recording.monotonic_s),
        origin=origin,
    )
    sink.model = recording.model
    try:
        sink.open(recording.streams)
        for _, message in recording.messages():
            match message:
                case AffectMessage():
                    sink.affect(message)
                case MarkMessage():
                    sink.mark(message)
                case StatusMessage():
                    sink.status(message)
    finally:
        sink.close()


def _write_events(recording: "Recording", path: Path) -> None:
    """Marks and states, a row each."""
    from mtclar.engine.files.writing import write_whole
    from mtclar.engine.text import cell
    from mtclar.stream.protocol.messages import MarkMessage, StatusMessage

    offset_s = recording.unix_s - recording.monotonic_s
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(EVENT_COLUMNS)
    for t_s, event in recording.events():
        if isinstance(event, MarkMessage):
            t_s, texts = event.t_s, (event.stream or "", event.label, "")
        elif isinstance(event, StatusMessage):
            texts = (event.stream, event.state, event.reason or "")
        else:
            continue
        writer.writerow([f"{t_s + offset_s:.4f}", f"{t_s:.4f}", event.type, *map(cell, texts)])
    write_whole(path, out.getvalue().encode())


def _require_new(*paths: Path) -> None:
    from mtclar.engine.files.writing import require_new

    for path in paths:
        require_new(path)
