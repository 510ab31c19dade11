"""Recordings: what is read back is what was sent, in order, also from a full disk and of a process without an end."""

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed; `make setup` brings it")

from mtclar.engine.errors import UsageError, WriteError
from mtclar.engine.support_set import SupportSet
from mtclar.stream.protocol.messages import (
    ALL_FIELDS,
    AffectMessage,
    MarkMessage,
    ModelInfo,
    StatusMessage,
    StreamInfo,
    SubjectInfo,
    SubjectsMessage,
)
from mtclar.stream.recordings.reader import Recording
from mtclar.stream.sinks.recorder import Recorder

Make = Callable[..., AffectMessage]

STREAMS = [
    StreamInfo(
        "cam",
        "webcam:0",
        True,
        (640, 480),
        30.0,
        "latest",
        (SubjectInfo("anna", 2, ((0.5, 0.1), (0.0, 0.0))),),
    ),
    StreamInfo("door", "rtsp://door/", True, None, None, "latest"),
]
MODEL = ModelInfo("encoder-1", "ab" * 32, "onnxruntime")


def encoded(message: Any) -> dict[str, Any]:
    if isinstance(message, AffectMessage):
        return dict(json.loads(message.encode(ALL_FIELDS)))
    return dict(json.loads(message.encode()))


def varied(make: Make, seq: int) -> AffectMessage:
    """Messages with every kind of face in turn."""
    message = make(seq, faces=seq % 3, stream="cam" if seq % 4 else "door")
    faces = list(message.faces)
    if faces:
        shapes = np.linspace(0, 1, 52).astype(np.float32)
        faces[0] = replace(faces[0], blendshapes=shapes, drift=("darker",), valence=seq / 7, track_id=seq)
    if len(faces) > 1:
        faces[1] = replace(
            faces[1],
            raw=None,
            pose_deg=None,
            valence=None,
            subject=None,
            state="low_quality",
            quality_issues=("turned", "dark"),
        )
    return replace(message, faces=tuple(faces), truth=(0.1, seq / 9) if seq % 2 else None)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    recorder = Recorder(tmp_path / "recordings", program="mtclar-stream test")
    recorder.model = MODEL
    recorder.open(STREAMS)
    yield recorder
    with suppress(WriteError):
        recorder.close()


def test_everything_is_read_back_in_the_order_in_which_it_was_sent(
    recorder: Recorder, make_message: Make, tmp_path: Path
) -> None:
    sent: list[Any] = [
        StatusMessage("cam", "live"),
        StatusMessage("door", "reconnecting", 2.5, "no picture", 3),
    ]
    for status in sent:
        recorder.status(status)
    for seq in range(40):
        sent.append(varied(make_message, seq))
        recorder.affect(sent[-1])
        if seq == 20:
            sent.append(MarkMessage("trial 1; ünïcode", 1251.02, "cam"))
            recorder.mark(sent[-1])
            sent.append(SubjectsMessage("cam", 21, (SubjectInfo("anna", 1, ((0.25, -0.5),)),)))
            recorder.subjects(sent[-1])
    recorder.close()
    recorder.close()
    read = Recording(tmp_path / "recordings")
    assert [encoded(message) for _, message in read.messages()] == [encoded(message) for message in sent]
    times = [t_s for t_s, _ in read.messages()]
    assert times == sorted(times)
    assert (read.streams, read.model, read.session) == (tuple(STREAMS), MODEL, "")
    assert read.ended is not None


def test_the_files_are_private_and_the_parts_ordinary_parquet(
    recorder: Recorder, make_message: Make, tmp_path: Path
) -> None:
    from pyarrow import parquet

    recorder.affect(make_message(0, faces=2))
    recorder.affect(make_message(1, faces=0))
    recorder.close()
    (folder,) = (tmp_path / "recordings").iterdir()
    assert {str(path.relative_to(folder)): path.stat().st_mode & 0o777 for path in folder.rglob("*")} == {
        "manifest.json": 0o600,
        "events.jsonl": 0o600,
        "faces": 0o700,
        "faces/00001.parquet": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700
    table = parquet.read_table(folder / "faces").to_pylist()
    assert [(row["seq"], row["track"], row["valence"]) for row in table] == [
        (0, 0, 0.25),
        (0, 1, 0.25),
        (1, None, None),
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    clock = manifest["clock"]
    assert table[0]["t_unix"] == pytest.approx(table[0]["t_capture"] - clock["monotonic"] + clock["unix"])
    assert [part["rows"] for part in manifest["parts"]] == [3]


def test_parts_follow_one_another_and_one_that_is_missing_is_said(
    tmp_path: Path, make_message: Make, monkeypatch: pytest.MonkeyPatch, eventually: Any
) -> None:
    monkeypatch.setattr("mtclar.stream.recordings.writer.PART_S", 0.0)
    recorder = Recorder(tmp_path)
    recorder.open(STREAMS)
    for seq in range(3):
        recorder.affect(make_message(seq))
        eventually(lambda: len(list(tmp_path.glob("*/faces/*.parquet"))) > seq)  # noqa: B023
    recorder.close()
    read = Recording(tmp_path)
    assert [message.seq for _, message in read.frames()] == [0, 1, 2]
    assert sorted(file.name for file in read.folder.glob("faces/*")) == [
        f"0000{n}.parquet" for n in (1, 2, 3)
    ]
    (read.folder / "faces/00003.parquet").unlink()
    with pytest.raises(UsageError, match=r"faces/00003\.parquet is missing"):
        Recording(tmp_path)


def test_what_a_process_without_an_end_has_written_is_read(
    recorder: Recorder, make_message: Make, tmp_path: Path, eventually: Any
) -> None:
    """The same files as after a kill, also in the middle of a write."""
    recorder.mark(MarkMessage("begin", 1.0))
    for seq in range(5):
        recorder.affect(make_message(seq))

    def read() -> list[int]:
        return [message.seq for _, message in Recording(tmp_path / "recordings").frames()]

    eventually(lambda: read() == [0, 1, 2, 3, 4])
    folder = Recording(tmp_path / "recordings").folder
    assert Recording(folder).ended is None
    with (folder / "faces/_00001.arrows").open("ab") as part, (folder / "events.jsonl").open("ab") as events:
        part.write(b"\xff\xff\xff\xff\x10\x02")
        events.write(b'{"t_message": 1')
    assert read() == [0, 1, 2, 3, 4]
    assert [event.label for _, event in Recording(folder).events() if isinstance(event, MarkMessage)] == [
        "begin"
    ]


def test_recordings_start_and_stop_on_request(tmp_path: Path, make_message: Make) -> None:
    recorder = Recorder(tmp_path, at_once=False)
    recorder.open(STREAMS)
    recorder.affect(make_message(0))
    recorder.subjects(SubjectsMessage("door", 0, (SubjectInfo("ben", 0),)))
    recorder.start("P07: first/../session")
    recorder.affect(make_message(1))
    recorder.start("second")
    recorder.affect(make_message(2))
    recorder.stop()
    recorder.affect(make_message(3))
    recorder.close()
    first, second = sorted((Recording(path) for path in tmp_path.iterdir()), key=lambda read: read.session)
    assert first.folder.name.endswith("Z_P07-first-..-session")
    assert (first.session, second.session) == ("P07: first/../session", "second")
    assert [message.seq for _, message in first.frames()] == [1]
    assert [message.seq for _, message in second.frames()] == [2]
    assert first.streams[1].subjects == (SubjectInfo("ben", 0),)


def test_the_support_sets_are_named_by_their_content(tmp_path: Path, make_message: Make) -> None:
    support = SupportSet(
        np.ones((2, 4), np.float32),
        np.zeros((2, 2), np.float32),
        np.zeros((2, 2), np.float32),
        subject="anna",
    )
    other = replace(support, labels=np.ones((2, 2), np.float32))
    sets = {"cam": [support]}
    recorder = Recorder(tmp_path)
    recorder.supports = sets
    recorder.open(STREAMS[:1])
    recorder.affect(make_message(0))
    sets["cam"] = [other]
    recorder.subjects(SubjectsMessage("cam", 1, (SubjectInfo("anna", 2, ((1.0, 1.0), (1.0, 1.0))),)))
    recorder.close()
    read = Recording(tmp_path)
    (before,) = read.support_sets["cam"]
    (line,) = (read.folder / "events.jsonl").read_text().splitlines()
    (after,) = json.loads(line)["support_sets"]
    assert (before["subject"], before["frames"]) == ("anna", 2)
    assert len(before["sha256"]) == 64
    assert before["sha256"] != after["sha256"]


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """`room(n)`: from now on the system lets files grow to n bytes only."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_on_a_full_disk_the_rows_wait_for_room(
    recorder: Recorder, make_message: Make, room: Callable[[int], None], tmp_path: Path, eventually: Any
) -> None:
    room(20_000)
    seq = 0
    while recorder.trouble is None:
        recorder.affect(make_message(seq))
        seq += 1
    assert "cannot be written: File too large" in recorder.trouble
    before = [message.seq for _, message in Recording(tmp_path / "recordings").frames()]
    assert before == list(range(len(before)))
    room(10**9)  # of a fast machine many rows wait
    eventually(lambda: recorder.trouble is None)
    recorder.affect(make_message(seq))
    recorder.close()
    assert [message.seq for _, message in Recording(tmp_path / "recordings").frames()] == list(range(seq + 1))


def test_rows_that_never_find_room_are_said_at_the_end(
    recorder: Recorder, make_message: Make, room: Callable[[int], None]
) -> None:
    room(5000)
    for seq in range(1000):
        recorder.affect(make_message(seq))
    with pytest.raises(WriteError, match="the last rows are missing"):
        recorder.close()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        Recorder(tmp_path / "file")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no recording"),
        ({"manifest.json": "nothing"}, "is damaged"),
        ({"manifest.json": '{"format": "another"}'}, "is not the manifest of a recording"),
        ({"manifest.json": '{"format": "mtclar-recording", "version": 99}'}, "newer version"),
        ({"manifest.json": '{"format": "mtclar-recording", "version": 1}'}, "is damaged"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=message):
        Recording(tmp_path)


def test_a_failure_of_the_recording_does_not_end_the_run(
    tmp_path: Path, make_message: Make, eventually: Any
) -> None:
    recorder = Recorder(tmp_path)
    told: list[bool] = []
    recorder.on_change = lambda message: told.append(message.recording)
    recorder.open(STREAMS)
    recorder.affect(replace(make_message(0), frame="no number"))  # type: ignore[arg-type]
    eventually(lambda: recorder.trouble)
    assert str(recorder.trouble).startswith("the recording failed: ")
    recorder.start("again")
    recorder.affect(make_message(1))
    recorder.close()
    assert told == [True, False, True, False]
    again = next(path for path in tmp_path.iterdir() if path.name.endswith("again"))
    assert [message.seq for _, message in Recording(again).frames()] == [1]
