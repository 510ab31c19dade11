"""Sources by name: every entry of the registry, a user's own, and invalid names."""

from pathlib import Path
from typing import Any

import pytest

from mtclar.engine.errors import SourceError, UsageError
from mtclar.stream.sources import NETWORK, SOURCES, Source, open_source

LAB_SOURCE = '''
"""The source of docs/development/extending.md: one file of one's own."""

import numpy as np
from mtclar.engine.data_types import Frame


class TwoPictures:
    live = False
    label = "two pictures"
    size = (64, 48)
    fps = 1.0
    files = ()

    def __init__(self, spec, stream_id, loop):
        self.stream_id = stream_id or spec.partition("://")[2]

    def frames(self):
        for seq in range(2):
            image = np.zeros((48, 64, 3), np.uint8)
            yield Frame(image, seq, 0.0, "arrival", float(seq), self.stream_id)

    def reachable(self):
        return None

    def close(self):
        pass
'''
OPENED = {
    "rtsp": "RTSP://127.0.0.1:9/live",
    "rtsps": "rtsps://127.0.0.1:9/live",
    "http": "http://127.0.0.1:9/stream",
    "https": "https://127.0.0.1:9/stream",
    "rtmp": "rtmp://127.0.0.1:9/live/x",
    "rtmps": "rtmps://127.0.0.1:9/live/x",
    "browser": "browser",
    "demo": "demo",
    "synthetic": "synthetic:64x48?faces=0&frames=1",
}


@pytest.mark.parametrize("name", OPENED)
def test_every_entry_opens(name: str) -> None:
    source = open_source(OPENED[name])
    assert source.live is (name in NETWORK or name == "browser")
    source.close()


@pytest.mark.parametrize("spec", ["webcam:97", "/dev/video97", "webcam:97?fps=30"])
def test_a_webcam_is_opened_at_once(spec: str) -> None:
    with pytest.raises(SourceError, match="97"):
        open_source(spec)


def test_every_entry_is_tried() -> None:
    assert set(SOURCES) == {*OPENED, "webcam", "file", "pipe", "srt"}


def test_a_source_of_ones_own_is_one_file_and_one_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab_source.py").write_text(LAB_SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SOURCES, "two", "lab_source:TwoPictures")
    for spec in ("two://left", "lab_source:TwoPictures://left"):  # in the table, and without an entry
        source: Source = open_source(spec)
        assert [frame.pts_s for frame in source.frames()] == [0.0, 1.0]
        assert source.stream_id == "left"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("  ", "is empty"),
        ("ftp://host/x", "there is no source 'ftp'"),
        ("nowhere:Source://x", "cannot be imported"),
        ("browser:1", "is not a source"),
        ("demo?loop=1", "is not a source"),
        ("webcam?", "holds no option"),
        ("/dev/videos/one.mp4", "there is no file"),
        ("~nobody-has-this-name/x.mp4", "unknown home folder"),
        ("nowhere.mp4", "there is no file"),
    ],
)
def test_what_is_no_source_is_refused(spec: str, message: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=message):
        open_source(spec)
