"""Files that others wrote: support sets, label tables, photo tables, summaries, videos; read, or refused in words."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from mtclar.cli.commands.live import run
from mtclar.cli.files.config_file import read_config, settings_of
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import MtclarError, SourceError, SupportSetError, UsageError
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.files import encryption
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_file import MANIFEST
from mtclar.engine.support_set import SupportSet
from mtclar.label.analysis.segments import read_segments
from mtclar.label.scan.recording import open_recording
from mtclar.stream.label_formats.label_file import Scale, parse_labels, read_labels
from mtclar.stream.pipeline.summary import is_summary
from mtclar.stream.sources.video import VideoFile

from .conftest import JSON, Fuzz, damaged, is_readable


def support_bytes(tmp_path: Path) -> bytes:
    rng = np.random.default_rng(0)
    encoded = Encoded(
        rng.normal(size=(3, 8)).astype(np.float32),
        np.zeros((3, 2), np.float32),
        np.zeros((3, 8), np.float32),
    )
    support = SupportSet.from_encoded(
        encoded, np.zeros((3, 2)), subject="anna", encoder=EncoderIdentity("m", "0" * 64, FRAMING)
    )
    support.save(tmp_path / "good.mtclar")
    return (tmp_path / "good.mtclar").read_bytes()


def test_damaged_support_sets(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "fuzz.mtclar"

    def load(data: bytes) -> None:
        path.write_bytes(data)
        try:
            assert len(SupportSet.load(path)) == 3  # a set is read whole or not at all
        except SupportSetError as error:
            is_readable(error)

    assert fuzz(damaged([support_bytes(tmp_path)]), load)


def test_damaged_encrypted_support_sets(fuzz: Fuzz, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cryptography", reason="needs the extra [encrypt]")
    monkeypatch.setattr(encryption, "LOG_N", 4)
    support_bytes(tmp_path)
    SupportSet.load(tmp_path / "good.mtclar").save(tmp_path / "sealed.mtclar", "open sesame")
    good = (tmp_path / "sealed.mtclar").read_bytes()
    path = tmp_path / "fuzz.mtclar"
    cost = len(encryption.MAGIC)

    def load(data: bytes) -> None:
        assume(data == good or len(data) <= cost or data[cost] <= 10)  # a file may ask for seconds of work
        path.write_bytes(data)
        try:
            SupportSet.load(path, lambda: "open sesame")
        except (SupportSetError, UsageError) as error:
            is_readable(error)
        else:
            assert data == good  # every byte is vouched for

    assert fuzz(damaged([good]), load)


def test_damaged_configurations(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "mtclar.toml"
    settings = settings_of(run.command)
    samples = [
        b'source = ["webcam:0", "rtsp://cam/live"]\nport = 8765\nhost = "127.0.0.1"\nno-live = true\n',
        b'freshness = "latest"\nmax-faces = 2\nbatch-wait-ms = 2.5\ncsv = "out.csv"\n# comment\n',
    ]
    keys = st.sampled_from([setting.key for setting in settings])
    values = JSON.map(lambda value: json.dumps(value, ensure_ascii=False)) | st.text(max_size=10)
    lines = st.lists(st.builds("{} = {}".format, keys, values), max_size=4).map("\n".join)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read_config(path, settings)
        except UsageError as error:
            is_readable(error)

    assert fuzz(damaged(samples) | lines.map(lambda text: text.encode("utf-8", "surrogatepass")), read)


def test_support_sets_of_a_liar(fuzz: Fuzz, tmp_path: Path) -> None:
    """Any manifest, with members whose checksums are right."""
    path = tmp_path / "fuzz.mtclar"
    with zipfile.ZipFile(io.BytesIO(support_bytes(tmp_path))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    keys = sorted(manifest)

    def load(lie: tuple[str, Any, str, bytes]) -> None:
        key, value, member, data = lie
        changed = {**manifest, key: value}
        if isinstance(changed["members"], dict) and isinstance(changed["members"].get(member), dict):
            changed["members"] = {
                **changed["members"],
                member: {**changed["members"][member], "sha256": hashlib.sha256(data).hexdigest()},
            }
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(MANIFEST, json.dumps(changed))
            for name, content in members.items():
                archive.writestr(name, data if name == f"{member}.npy" else content)
        try:
            SupportSet.load(path)
        except SupportSetError as error:
            is_readable(error)

    names = [name.removesuffix(".npy") for name in members]
    lies = st.sampled_from(names).flatmap(
        lambda name: st.tuples(
            st.sampled_from(keys), JSON, st.just(name), damaged([members[f"{name}.npy"]], most=4)
        )
    )
    assert fuzz(lies, load)


LABELS = [
    b"sep=;\r\nZeit [ms];Valenz;Erregung;state\r\n1,5;0,25;-1;ok\r\n00:01:02,5;0;0;\r\n3;;;no_face\r\n",
    b"frame\ttime\tvalence\tarousal\tvalence_label\tarousal_label\n0\t0.0\t.1\t.2\t.3\t\n",
    b"time,valence,arousal\n0.2,0.7,0.1\n0.8,0.6,0.2\n",
    b'"time","valence","arousal","track"\r\n1.5,-1,1,0\r\n2.5,0.1,.2,\r\n',
    b"\xef\xbb\xbftime, valence, arousal, track\n1e3,0,0,12\n",
]


def test_damaged_label_tables(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_or_refused(path)
        read_or_refused(path, Scale(1, 9))

    assert fuzz(damaged(LABELS) | st.binary(), read)


ELAN = b"""<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER><MEDIA_DESCRIPTOR TIME_ORIGIN="40"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="200"/></TIME_ORDER>
<TIER TIER_ID="valence"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>0.5</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="arousal"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>-0,25</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""
NOVA = b"""<annotation ssi-v="3"><info ftype="FORM" size="2"/>
<scheme name="valence" type="CONTINUOUS" sr="25" min="-1" max="1"/></annotation>
"""


def read_or_refused(path: Path, scale: Scale | None = None) -> None:
    try:
        for label in read_labels(path, scale, first_frame_s=0.1):
            assert abs(label.valence) <= 1
            assert label.time_s >= 0
    except UsageError as error:
        is_readable(error)


def test_damaged_elan_files(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "labels.eaf"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_or_refused(path)

    assert fuzz(damaged([ELAN]) | st.binary(), read)


@pytest.mark.parametrize("form", ["ASCII", "BINARY"])
def test_damaged_nova_files(fuzz: Fuzz, tmp_path: Path, form: str) -> None:
    header, path = NOVA.replace(b"FORM", form.encode()), tmp_path / "face.valence.annotation"
    samples = b"0.5;1.0\nnan;0.0\n" if form == "ASCII" else np.array([0.5, 1, 0.2, 0], "<f4").tobytes()
    for axis in ("valence", "arousal"):
        (tmp_path / f"face.{axis}.annotation").write_bytes(header)
        (tmp_path / f"face.{axis}.annotation~").write_bytes(samples)

    def read(files: tuple[bytes, bytes]) -> None:
        path.write_bytes(files[0])
        path.with_name(f"{path.name}~").write_bytes(files[1])
        read_or_refused(path)

    assert fuzz(
        st.tuples(damaged([header], most=2) | st.just(header), damaged([samples]) | st.binary()), read
    )


def test_any_scale(fuzz: Fuzz) -> None:
    def read(text: str) -> None:
        try:
            assert Scale.parse(text).low < Scale.parse(text).high
        except UsageError as error:
            is_readable(error)

    assert fuzz(
        st.lists(st.sampled_from(["1", "9", ":", "-", ".", ",", "e5", "inf", "٣"])).map("".join), read
    )


def test_label_tables_of_any_cells(fuzz: Fuzz) -> None:
    odd = (
        st.text(st.characters(), max_size=10)
        | st.floats().map(repr)
        | st.integers().map(str)
        | st.sampled_from(["9" * 5000, "٣", "²", "1_0", "inf", "0x1", '"', "1e400", ""])
    )
    number = st.floats(-1, 1).map(repr)
    row = st.tuples(number.map(lambda text: text.strip("-")) | odd, number | odd, number | odd, odd)
    rows = st.lists(row.map(",".join) | st.lists(odd, max_size=5).map(",".join), max_size=6)

    def read(lines: list[str]) -> None:
        try:
            parse_labels("time,valence,arousal,track\n" + "\n".join(lines))
        except UsageError as error:
            is_readable(error)

    assert fuzz(rows, read)


def test_tables_of_photos(fuzz: Fuzz, tmp_path: Path) -> None:
    photos = pytest.importorskip("mtclar.train.data.photos", reason="needs the extra [train]")
    path = tmp_path / "photos.csv"
    (tmp_path / "anna.jpg").touch()
    samples = [
        b"path,valence,arousal,subject\nanna.jpg,0.5,-0.1,anna\n",
        b"path,valence,arousal\nanna.jpg,1,0\n",
    ]

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            photos.load(path)
        except MtclarError as error:
            is_readable(error)

    assert fuzz(damaged(samples), read)


def test_whatever_lies_where_a_summary_is_to_go(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "summary.json"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        assert is_summary(path) in (True, False)

    deep = st.integers(0, 200_000).map(lambda n: b"[" * n)
    good = b'{"frames": 1, "fps": 2.0, "latency_ms": {"p50": 1.0}}'
    assert fuzz(damaged([good]) | JSON.map(lambda x: json.dumps(x).encode()) | deep, read)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
def test_damaged_videos(fuzz: Fuzz, make_clip: Callable[..., Path], tmp_path: Path, name: str) -> None:
    codec = {"clip.avi": "mjpeg"}.get(name, "libx264")
    pix_fmt = {"clip.avi": "yuvj420p"}.get(name, "yuv420p")
    good = make_clip(name, size=(64, 48), frames=10, codec=codec, pix_fmt=pix_fmt).read_bytes()
    path = tmp_path / f"fuzz-{name}"

    def play(data: bytes) -> None:
        path.write_bytes(data)
        try:
            frames = list(VideoFile(path, "fuzz").frames())
        except SourceError as error:
            is_readable(error)
            return
        times = [frame.pts_s for frame in frames]
        assert times == sorted(times)
        assert all(frame.image.ndim == 3 and frame.image.flags.c_contiguous for frame in frames)

    def label(data: bytes) -> None:
        path.write_bytes(data)
        try:
            recording = open_recording(path)
        except SourceError as error:
            is_readable(error)
            return
        times = recording.times_s.tolist()
        assert times == sorted(times)
        rows = [row for row, _ in recording.images(np.ones(len(times), bool))]
        assert rows == sorted(set(rows))

    def read(data: bytes) -> None:
        play(data)
        label(data)

    assert fuzz(damaged([good], most=6), read)


SEGMENTS = [
    b"name,start,end\nrest,0,60\nfilm,1:00,0:02:30.5\n",
    b"onset\tduration\ttrial_type\n1.5\t2\thappy\n",
    b"# made by hand\nName;start_unix;end_unix;participant\nfilm;1700000000;1700000060,5;p1\n",
]


def test_damaged_segments(fuzz: Fuzz, tmp_path: Path) -> None:
    def read(data: bytes, suffix: str) -> None:
        path = tmp_path / f"segments{suffix}"
        path.write_bytes(data)
        try:
            assert all(segment.start_s < segment.end_s for segment in read_segments(path))
        except UsageError as error:
            is_readable(error)

    assert fuzz(damaged(SEGMENTS) | st.binary(), lambda data: read(data, ".csv"))
    assert fuzz(damaged([ELAN.replace(b"arousal", b"task")]), lambda data: read(data, ".eaf"))


TABLES = [
    b"frame,time,valence,arousal,state,mark\n0,0.0,0.5,-0.1,ok,a; b end\n1,0.04,,,no_face,\n2,0.08,0.1,0.2,ok,\n",
    b"time;participant;track;valence;arousal;t_unix\n0,5;01;1;0,25;-1;9\n0,5;01;2;0;1;9\n1;01;;;;\n",
    b"frame, face_id, timestamp, confidence, success, valence, arousal\n1, 0, 0.0, 0.98, 1, 0.5, 0.1\n",
    b"Log\n\nVideo Time\tHappy\tSad\tArousal\n00:00:00.040\t0.5\t0.1\t0.2\n00:00:01.000\tFIND_FAILED\t0\t0\n",
]


def test_damaged_tables_of_values(fuzz: Fuzz, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is missing: pip install 'mtclar-stream[analysis]'")
    from mtclar.label.analysis.segment_table import as_csv, long_table, wide_table
    from mtclar.label.analysis.tables import Reading, read_series

    path = tmp_path / "table.csv"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for one_person in (False, True):
            try:
                as_csv(wide_table(long_table(read_series([path], Reading(fps=25, one_person=one_person)))))
            except UsageError as error:
                is_readable(error)

    assert fuzz(damaged(TABLES) | st.binary(), read)
