"""fleet.toml: what it may say, and how its faults are named."""

from pathlib import Path

import pytest

from mtclar.engine.errors import UsageError
from mtclar.stream.fleet.fleet_file import Camera, read_fleet


def test_cameras_and_their_sets(tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        '[cameras.ward-1]\nsource = "rtsp://10.0.0.1/main"\nsupport = ["anna", "ben"]\n'
        '[cameras."back door"]\nsource = "webcam"\n'
    )
    assert read_fleet(file) == {
        "ward-1": Camera("ward-1", "rtsp://10.0.0.1/main", ("anna", "ben")),
        "back door": Camera("back door", "webcam"),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no camera"),
        ("cameras = 3", "has no camera"),
        ("[cameras", "is no TOML"),
        ("[camera.a]\nsource = 'x'", "no section 'camera'"),
        ("[cameras.a]", "camera 'a' has no source"),
        ("[cameras.a]\nsource = ' '", "camera 'a' has no source"),
        ("[cameras.a]\nsource = 'x'\nsupports = ['b']", "no key 'supports'"),
        ("[cameras.a]\nsource = 'x'\nsupport = 'b'", "support is a list"),
        ("[cameras.a]\nsource = 'nosuch://x'", "camera 'a': there is no source 'nosuch'"),
        ("[cameras.a]\nsource = 'browser'", "has no page that takes pictures"),
        ("[cameras.'a*']\nsource = 'x'", "and no *"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message.replace("*", r"\*")):
        read_fleet(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_fleet(tmp_path / "fleet.toml")
