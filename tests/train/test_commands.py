"""The commands `train` and `export`: a run, its export, and error messages."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from support.media import ferplus_folder

from mtclar.cli.main import main
from mtclar.engine.installation.extras import install_command

SHIPPED = Path(__file__).parents[2] / "train" / "checkpoints" / "mtclar.pt"
TORCH = importlib.util.find_spec("torch") is not None
needs_torch = pytest.mark.skipif(not TORCH, reason="the [train] extra is not installed")


def exit_code(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ferplus_folder.write(tmp_path / "ferplus", 40)


def rendered(path: Path, people: list[int]) -> Path:
    person = np.repeat(people, 8).astype(np.int32)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (len(person), 56, 56), dtype=np.uint8)
    np.savez(
        path, images=images, va=random.uniform(-1, 1, (len(person), 2)).astype(np.float32), person=person
    )
    return path


@needs_torch
def test_train_then_export(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, graphs = tmp_path / "run", tmp_path / "graphs"
    known, unknown = rendered(tmp_path / "a.npz", [1, 2]), rendered(tmp_path / "b.npz", [1000])
    options = ["--epochs", "1", "--threads", "1", "--rendered", known, "--rendered-test", unknown]
    assert exit_code("train", "--ferplus", folder, "--out", out, *options) == 0
    output = capsys.readouterr().out
    assert "FER+ PrivateTest: accuracy" in output
    assert "rendered test people: CCC" in output
    assert exit_code("export", out / "mtclar.pt", "--out", graphs) == 0
    names = ["encoder.json", "encoder.onnx", "pair.json", "pair.onnx"]
    assert sorted(path.name for path in graphs.iterdir()) == names
    assert '"ferplus_test_accuracy_all"' in (graphs / "encoder.json").read_text()


@needs_torch
def test_failed_export_writes_nothing(full_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("export", SHIPPED, "--out", full_disk) == 1
    output = " ".join(capsys.readouterr().err.split())
    assert f"cannot write {full_disk}/encoder.onnx: " in output
    assert "bug" not in output
    assert not list(full_disk.iterdir())


@needs_torch
def test_export_overwrites_only_with_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mtclar.train.network.architecture import NetworkConfig, Siamese
    from mtclar.train.network.checkpoint import Checkpoint, save_checkpoint

    out, other = tmp_path / "graphs", tmp_path / "other.pt"
    save_checkpoint(other, Checkpoint(Siamese(NetworkConfig()).eval(), ("nothing",), {}))
    assert exit_code("export", other, "--out", out) == 0
    before = contents(out)
    assert exit_code("export", other, "--out", out) == 0, "the same network once more"
    assert contents(out) == before
    capsys.readouterr()
    assert exit_code("export", SHIPPED, "--out", out) == 2
    output = " ".join(capsys.readouterr().err.split())
    assert f"{out}/encoder.onnx exists already" in output
    assert "--force" in output
    assert contents(out) == before
    assert exit_code("export", SHIPPED, "--out", out, "--force") == 0
    assert not set(contents(out).values()) & set(before.values())


@needs_torch
@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["encoder.onnx", "pair.json"])
def test_export_keeps_foreign_files(
    name: str, force: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("written by hand")
    assert exit_code("export", SHIPPED, "--out", tmp_path, *force) == 2
    output = " ".join(capsys.readouterr().err.split())
    assert f"{tmp_path}/{name} exists already" in output
    assert "`export` did not write it" in output
    assert contents(tmp_path) == {name: b"written by hand"}


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (["--precision", "int8"], "ONNX graphs are fp32"),
        (["--to", "triton", "--force"], "--force is for ONNX graphs"),
    ],
)
def test_option_of_another_target_is_refused(
    options: list[str], output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = [] if "--to" in options else [SHIPPED]
    assert exit_code("export", *checkpoint, "--out", tmp_path / "x", *options) == 2
    assert output in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


@needs_torch
@pytest.mark.parametrize("command", ["export", "train"])
def test_unwritable_folder_is_reported_first(
    command: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    begins = ("export", SHIPPED) if command == "export" else ("train", "--ferplus", folder)
    assert exit_code(*begins, "--out", tmp_path / "file") == 2
    assert f"cannot write {tmp_path}/file/" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "file").read_text() == "mine"


@needs_torch
def test_run_does_not_overwrite_its_initial_checkpoint(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "mtclar.pt"
    start.write_bytes(SHIPPED.read_bytes())
    assert exit_code("train", "--ferplus", folder, "--init", start, "--out", tmp_path) == 2
    assert "is also the file of --init" in " ".join(capsys.readouterr().err.split())
    assert start.read_bytes() == SHIPPED.read_bytes()


@needs_torch
def test_run_does_not_overwrite_an_older_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "latest.pt").write_text("an older run")
    assert exit_code("train", "--ferplus", folder, "--out", tmp_path) == 2
    output = " ".join(capsys.readouterr().err.split())
    assert "latest.pt exists already" in output
    assert "--resume" in output
    assert (tmp_path / "latest.pt").read_text() == "an older run"


@needs_torch
def test_full_disk_ends_the_run_with_a_message(
    folder: Path, full_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("train", "--ferplus", folder, "--epochs", "1", "--threads", "1", "--out", full_disk) == 1
    output = " ".join(capsys.readouterr().err.split())
    assert f"cannot write {full_disk}/" in output
    assert "bug" not in output
    assert [path.name for path in full_disk.iterdir()] == ["curves.jsonl"]


@needs_torch
@pytest.mark.parametrize(
    ("wrong", "code", "output"),
    [
        (["--epochs", "1", "--minutes", "1"], 2, "exclude each other"),
        (["--init", "a.pt", "--resume"], 2, "exclude each other"),
        (["--device", "tpu"], 2, "device 'tpu' is not available"),
        (["--init", "gone.pt"], 2, "gone.pt does not exist"),
        (["--init", str(SHIPPED), "--preset", "paper"], 2, "embedding was 128, is 256"),
        (["--rendered", "gone.npz"], 2, "gone.npz does not exist"),
        (["--resume"], 2, "latest.pt does not exist"),
    ],
)
def test_invalid_options_are_refused(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    wrong: list[str],
    code: int,
    output: str,
) -> None:
    assert exit_code("train", "--ferplus", folder, "--out", tmp_path / "run", *wrong) == code
    assert output in " ".join(capsys.readouterr().err.split())


@needs_torch
def test_invalid_data_folder_is_reported_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("train", "--ferplus", tmp_path / "none", "--out", tmp_path / "run") == 2
    assert "is not a FER+ folder" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@needs_torch
@pytest.mark.parametrize(("usage", "needed"), [("Training", 4), ("PublicTest", 1), ("PrivateTest", 1)])
def test_empty_split_is_reported_before_the_run(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], usage: str, needed: int
) -> None:
    column = ferplus_folder.COLUMNS.index("usage")
    rows = [row for row in ferplus_folder.read_labels(folder) if row[column] != usage]
    ferplus_folder.write_labels(folder, list(rows))
    assert exit_code("train", "--ferplus", folder, "--workers", "2", "--out", tmp_path / "run") == 1
    output = " ".join(capsys.readouterr().err.split())
    assert f"{folder}: 0 usable pictures in {usage}, at least {needed} needed" in output
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "command", [["train", "--ferplus", "x", "--out", "y"], ["export", "x.pt", "--out", "y"]]
)
def test_missing_torch_names_the_extra(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "mtclar.train.extra.find_spec", lambda name: None if name == "torch" else find_spec(name)
    )
    assert exit_code(*command) == 1
    assert install_command("train") in capsys.readouterr().err
