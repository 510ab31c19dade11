"""Runs that leave sources out have one length, are kept, and are marked where their source was not seen."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the [train] extra is not installed")

from support.media import ferplus_folder, real_people_file, rendered_file

from experiments.networks import across_sources
from experiments.networks.across_sources import FERPLUS, PEOPLE, RENDERED, Run
from mtclar.train.data.ferplus import COLLECTED, EMOTIONS
from mtclar.train.network.architecture import NetworkConfig

TINY = replace(
    across_sources.CONFIG,
    network=NetworkConfig(stem=8, stages=((8, 1),), embedding=8, pair_hidden=(8, 8), temperature=0.7),
    batch=16,
    epoch_steps=2,
)
RUNS = {
    "without people": Run((FERPLUS, RENDERED), TINY),
    "without FER+": Run((PEOPLE, RENDERED), TINY),
}


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Arguments for two runs of a tiny network on data in miniature; the page is one of the test."""
    page = tmp_path / "across-sources.md"
    page.write_text("before\n<!-- measured -->\nan older table\n<!-- end of measured -->\nafter\n")
    for name, value in {
        "RUNS": RUNS,
        "PAGE": page,
        "JSON": page.with_suffix(".json"),
        "EPOCH_STEPS": 2,
        "DRAWS": 1,
        "SHOWN": 1,
    }.items():
        monkeypatch.setattr(across_sources, name, value)
    folder = ferplus_folder.write(tmp_path / "ferplus", 240)
    names = [row[ferplus_folder.COLUMNS.index("name")] for row in ferplus_folder.read_labels(folder)]
    own = "".join(f"{name},{EMOTIONS[i % len(EMOTIONS)]}\n" for i, name in enumerate(names))
    (folder / COLLECTED).write_text(f"name,fer2013\n{own}")
    named = {
        "ferplus": folder,
        "people": real_people_file.write(tmp_path / "people.npz"),
        "rendered": rendered_file.write(tmp_path / "rendered.npz", [1, 2], 12),
        "rendered-test": rendered_file.write(tmp_path / "test.npz", [1000, 1001], 12),
        "out": tmp_path / "out",
    }
    return [word for name, value in named.items() for word in (f"--{name}", str(value))]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["across_sources", *arguments])
    across_sources.main()


def test_runs_have_one_length_and_the_page_marks_what_each_did_not_see(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, page = tmp_path / "out" / "results.json", tmp_path / "across-sources.md"
    run(monkeypatch, *given, "--steps", "4", "--only", "without FER+")
    first = json.loads(kept.read_text())["runs"]
    assert "without people" not in first
    assert "an older table" in page.read_text()
    run(monkeypatch, *given, "--steps", "4", "--write")
    found = json.loads(page.with_suffix(".json").read_text())
    assert found["runs"]["without FER+"] == first["without FER+"]
    for name in RUNS:
        curves = (across_sources.folder_of(tmp_path / "out", name) / "curves.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in curves] == [2, 4]
    text = page.read_text()
    assert "an older table" not in text
    row = next(line for line in text.splitlines() if line.startswith("| without people | "))
    _, _, people, votes, own, drawn, _ = (cell.strip() for cell in row.split("|"))
    assert people.startswith("**")
    assert not any(cell.startswith("*") for cell in (votes, own, drawn))


def test_another_length_than_that_of_the_kept_runs_is_refused(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, *given, "--steps", "2", "--only", "without FER+")
    before = (tmp_path / "out" / "results.json").read_bytes()
    for steps, said in (("4", "has runs of 2 steps, not 4"), ("3", "not a multiple of 2")):
        with pytest.raises(SystemExit) as ended:
            run(monkeypatch, *given, "--steps", steps)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "out" / "results.json").read_bytes() == before
