"""The two rendering commands: they report errors before rendering and do not overwrite files."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the [train] extra is not installed")

from mtclar.engine.installation.extras import install_command
from mtclar.train import extra
from mtclar.train.rendered import clip_set, pictures
from mtclar.train.rendered.__main__ import main as picture_main

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a main function that must not render; returns its exit code and its stderr output."""
    monkeypatch.setattr(pictures, "make_pictures", lambda *_, **__: pytest.fail("rendered"))
    monkeypatch.setattr(clip_set, "make_clip", lambda *_: pytest.fail("rendered"))

    def run(main: Callable[[], None], *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["python", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), " ".join(capsys.readouterr().err.split())

    return run


def test_existing_file_is_kept(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.npz").write_text("mine")
    code, message = command(picture_main, tmp_path / "mine.npz", "--people", "0:1")
    assert code == 2
    assert message == f"error: {tmp_path}/mine.npz exists already hint: name another file, or remove it"
    assert (tmp_path / "mine.npz").read_text() == "mine"


def test_unwritable_path_is_reported(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    code, message = command(picture_main, tmp_path / "file" / "a.npz", "--people", "0:1")
    assert (code, f"cannot write {tmp_path}/file/a.npz" in message) == (2, True)
    code, message = command(clip_set.main, tmp_path / "file", "--people", "0:2")
    assert (code, f"cannot write {tmp_path}/file/0.mp4" in message) == (2, True)


@pytest.mark.parametrize(
    ("main", "wrong", "message"),
    [
        (picture_main, ["--pictures", "0"], "'0' is not a whole number above 0"),
        (picture_main, ["--pictures=-3"], "'-3' is not a whole number above 0"),
        (picture_main, ["--workers", "two"], "'two' is not a whole number above 0"),
        (clip_set.main, ["--seconds", "0.01"], "'0.01' is not from 0.04 to 3600 seconds"),
        (clip_set.main, ["--seconds", "nan"], "'nan' is not from"),
        (clip_set.main, ["--seconds", "long"], "'long' is not from"),
    ],
)
def test_invalid_numbers_are_refused(
    command: Command, tmp_path: Path, main: Callable[[], None], wrong: list[str], message: str
) -> None:
    code, err = command(main, tmp_path / "out", "--people", "0:1", *wrong)
    assert (code, message in err) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("there", "missing"), [("7.csv", "7.mp4"), ("7.mp4", "7.csv")])
def test_incomplete_clip_is_not_overwritten(
    command: Command, tmp_path: Path, there: str, missing: str
) -> None:
    (tmp_path / there).write_text("mine")
    code, message = command(clip_set.main, tmp_path, "--people", "6:9")
    assert code == 2
    assert f"{tmp_path}/{there} exists without {missing}" in message
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_existing_clip_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("7.mp4", "7.csv"):
        (tmp_path / name).write_text("rendered before")
    monkeypatch.setattr("sys.argv", ["python", str(tmp_path), "--people", "7:8"])
    clip_set.main()
    assert capsys.readouterr().out == f"{tmp_path}/7.mp4\n"
    assert {path.read_text() for path in tmp_path.iterdir()} == {"rendered before"}


def test_full_disk_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], full_disk: Path
) -> None:
    def written(person_id: int, folder: Path, _: float) -> Path:
        (folder / f"{person_id}.mp4").write_bytes(bytes(2**23))
        return folder

    monkeypatch.setattr(clip_set, "make_clip", written)
    monkeypatch.setattr("sys.argv", ["python", str(full_disk), "--people", "7:8"])
    with pytest.raises(SystemExit, match="1"):
        clip_set.main()
    assert f"error: cannot write into {full_disk}: " in capsys.readouterr().err


@pytest.mark.parametrize("main", [picture_main, clip_set.main])
def test_missing_numba_names_the_extra(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, main: Callable[[], None]
) -> None:
    monkeypatch.setattr(extra, "find_spec", lambda _: None)
    code, message = command(main, tmp_path / "out", "--people", "0:1")
    assert code == 1
    assert f"rendering people needs numba hint: {install_command('train')}" in message


def test_ctrl_c_prints_no_traceback(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "make_pictures", interrupted)
    assert command(picture_main, tmp_path / "out.npz", "--people", "0:1") == (130, "")
