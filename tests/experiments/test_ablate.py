"""A table of ablations has runs of one length, and the page gets whole tables alone."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support.media import ferplus_folder, real_people_file, rendered_file

from experiments.networks import ablate
from mtclar.engine.errors import UsageError
from mtclar.train.network.architecture import NetworkConfig

TINY = replace(
    ablate.BASE, network=NetworkConfig(stem=8, stages=((8, 1),), embedding=8, pair_hidden=(8, 8)), batch=16
)
RUNS = {"base": TINY, "base, second seed": replace(TINY, seed=2)}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for two runs of a tiny network on data in miniature; the page is one of the test."""
    page = tmp_path / "training.md"
    page.write_text("before\n<!-- ablations -->\nan older table\n<!-- end of ablations -->\nafter\n")
    monkeypatch.setattr(ablate, "variants", lambda: RUNS)
    monkeypatch.setattr(ablate, "PAGE", page)
    folder = ferplus_folder.write(tmp_path / "ferplus", 80)
    known, others = (
        rendered_file.write(tmp_path / "a.npz", [1, 2], 8),
        rendered_file.write(tmp_path / "b.npz", [3, 4], 8),
    )
    real = real_people_file.write(tmp_path / "real.npz")
    named = {
        "ferplus": folder,
        "rendered": known,
        "validation": others,
        "people": real,
        "out": tmp_path / "out",
    }
    return [word for name, value in named.items() for word in (f"--{name}", str(value))]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["ablate.py", *arguments])
    ablate.main()


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, *arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_runs_are_kept_with_their_length_and_another_length_is_refused(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, kept = tmp_path / "training.md", tmp_path / "out" / "results.json"
    run(monkeypatch, *given, "--epochs", "1", "--only", "base")
    assert "an older table" in page.read_text()
    first = json.loads(kept.read_text())
    assert list(first) == ["base"]
    assert first["base"]["epochs"] == 1
    text = refused(monkeypatch, capsys, *given, "--epochs", "2", "--write")
    assert "the run 'base' had 1 epochs, not 2; name another --out" in text
    assert json.loads(kept.read_text()) == first
    run(monkeypatch, *given, "--epochs", "1", "--write")
    both = json.loads(kept.read_text())
    assert (list(both), both["base"]) == (list(RUNS), first["base"])
    text = page.read_text()
    assert "1 epochs each" in text
    assert all(f"| {name} |" in text for name in RUNS)
    assert "an older table" not in text


def test_results_that_do_not_say_how_long_they_took_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    assert ablate.kept_runs(kept, 6) == {}
    kept.write_text(json.dumps({"base": {"accuracy": 0.5}}))
    with pytest.raises(UsageError, match="an unknown number of epochs, not 6"):
        ablate.kept_runs(kept, 6)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--write", "--only", "base"], "--write replaces the whole table"),
        (["--write", "--share", "0/2"], "--write replaces the whole table"),
        (["--only", "bass"], "invalid choice: 'bass'"),
        (["--share", "2/2"], "'2/2' is none of 0/2, 1/2, 0/3"),
    ],
)
def test_a_part_is_no_table(
    given: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert said in refused(monkeypatch, capsys, *given, *arguments)
    assert not (tmp_path / "out").exists()
