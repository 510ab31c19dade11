"""Where `run` offers the calibration page, and how a page saves."""

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from mtclar.calibrate.core.sets.predecessors import KEPT, predecessors
from mtclar.calibrate.web.opening import replacing_support, saving_to
from mtclar.cli.service.calibration import make_registry, subjects_of
from mtclar.cli.service.run_options import calibrated_on
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import CalibrationError, SupportSetError
from mtclar.engine.face.crop import FRAMING
from mtclar.engine.models import EncoderIdentity
from mtclar.engine.support_set import SupportSet, is_encrypted
from mtclar.stream.pipeline.streams import Stream
from mtclar.stream.sources import open_source


def support(subject: str = "anna", frames: int = 2) -> SupportSet:
    encoded = Encoded(
        np.ones((frames, 4), np.float32), np.zeros((frames, 2), np.float32), np.zeros((frames, 8), np.float32)
    )
    return SupportSet.from_encoded(
        encoded,
        np.zeros((frames, 2), np.float32),
        subject=subject,
        encoder=EncoderIdentity("encoder", "ab" * 32, FRAMING),
    )


@pytest.mark.parametrize(
    ("wish", "host", "sources", "offered"),
    [
        (None, "127.0.0.1", ["browser"], [0]),
        (None, "localhost", ["synthetic", "demo", "browser"], [0, 2]),  # a file has an end
        (None, "0.0.0.0", ["browser"], []),  # the picture of the camera stays here unless somebody asks
        (True, "0.0.0.0", ["browser", "demo"], [0, 1]),
        (False, "127.0.0.1", ["browser"], []),
        (True, "127.0.0.1", ["demo"], [0]),
    ],
)
def test_run_serves_the_page_on_loopback_only(
    wish: bool | None, host: str, sources: list[str], offered: list[int]
) -> None:
    opened = [open_source(source) for source in sources]
    assert list(calibrated_on(wish, host, opened)) == [opened[i] for i in offered]


def streams(*names: str) -> list[Stream]:
    """As `run` follows them; who is calibrated where is no matter of their trackers."""
    return [Stream(open_source("synthetic", stream_id=name), Mock()) for name in names]


def test_who_can_be_calibrated_on_which_stream(tmp_path: Path, home: Path) -> None:
    anna, ben = support("anna"), support("ben")
    a, b = tmp_path / "anna.mtclar", tmp_path / "ben.mtclar"
    two = streams("door", "garden")
    (new,) = subjects_of(two, [], [], [])
    assert (new.subject, new.target, new.streams) == ("me", home / "mtclar-stream" / "default.mtclar", two)
    assert [p.streams for p in subjects_of(two, [anna, ben], [a, b], [None, "word"])] == [two[:1], two[1:]]
    assert [p.passphrase for p in subjects_of(two, [anna, ben], [a, b], [None, "word"])] == [None, "word"]
    assert [p.streams for p in subjects_of(two, [anna], [a], [None])] == [two]
    one = two[:1]
    assert [(p.subject, p.streams) for p in subjects_of(one, [anna, ben], [a, b], [None, None])] == [
        ("anna", one),
        ("ben", one),
    ]
    (same,) = subjects_of(two, [anna, support("anna")], [a, tmp_path / "." / "anna.mtclar"], [None, None])
    assert (
        same.streams == two
    )  # one file for each of the streams: one session, since two would write the same file


def test_who_is_new_is_whose_set_would_be_replaced(home: Path) -> None:
    target = home / "mtclar-stream" / "default.mtclar"
    support("anna").save(target)
    (anna,) = subjects_of(streams("door"), [], [], [])
    assert (anna.subject, anna.target, anna.passphrase) == ("anna", target, None)
    support("anna").save(target, "four words or so")
    (anna,) = subjects_of(streams("door"), [], [], [], lambda: "four words or so")
    assert (anna.subject, anna.passphrase) == ("anna", "four words or so")  # labels are not written in clear
    with pytest.raises(SupportSetError, match="is encrypted"):
        subjects_of(streams("door"), [], [], [])
    with pytest.raises(SupportSetError, match="passphrase is wrong"):
        subjects_of(streams("door"), [], [], [], lambda: "a guess")


def test_a_saved_set_is_applied_to_every_stream_of_it(tmp_path: Path) -> None:
    two = streams("door", "garden")
    anna = support("anna")
    people = subjects_of(two, [anna], [tmp_path / "anna.mtclar"], [None])
    assert make_registry(people, [], "auto", 1) is None
    replacing_support([stream.tracker for stream in people[0].streams])(anna)
    for stream in two:
        stream.tracker.replace_support.assert_called_once_with(anna)  # type: ignore[attr-defined]


def test_saving_keeps_the_old_set_and_its_encryption(tmp_path: Path) -> None:
    target = tmp_path / "anna.mtclar"
    saving_to(target, None)(support(frames=2))
    saving_to(target, None)(support(frames=3))
    assert len(SupportSet.load(target)) == 3
    (previous,) = predecessors(target)
    assert len(SupportSet.load(previous)) == 2
    saving_to(target, "correct horse battery")(support(frames=4))
    assert is_encrypted(target)
    kept = [SupportSet.load(file, lambda: "correct horse battery") for file in predecessors(target)]
    assert [len(one) for one in kept] == [3, 2]
    assert all(map(is_encrypted, predecessors(target)))  # those before were in clear: they do not stay so
    with pytest.raises(CalibrationError, match="is encrypted"):
        saving_to(target, None)(support(frames=5))
    assert is_encrypted(target)


def test_the_newest_five_sets_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "anna[1].mtclar"
    oldest = target.with_name("anna[1].previous.mtclar")  # of an earlier version
    support(frames=9).save(oldest)
    others = [
        tmp_path / f"{name}.mtclar"
        for name in ("anna1.previous", "anna[1].previously", "anna[1].previous-me")
    ]
    for other in others:
        support().save(other)
    for frames in range(1, 8):
        saving_to(target, None)(support(frames=frames))
    assert [len(SupportSet.load(file)) for file in predecessors(target)] == [6, 5, 4, 3, 2]
    assert {file.stat().st_mode & 0o777 for file in predecessors(target)} == {0o600}
    assert len(list(tmp_path.iterdir())) == 1 + KEPT + len(others)
