"""The study of docs/analysis/study.md: its commands, as they are written there, and examples/study.ipynb."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.notebooks import run_notebook

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "analysis" / "study.md").read_text()
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
BIN = Path(sys.executable).parent
WAIT_S = 300

pytestmark = pytest.mark.timeout(900)  # most of it for the fixture


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all commands of the page have run."""
    for module in ("numba", "pandas", "matplotlib", "scipy"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed; `make setup-all` brings it")
    if not (BIN / "bids-validator-deno").exists():
        pytest.skip("the BIDS validator is missing; `make setup-all` brings it")
    folder = tmp_path_factory.mktemp("study")
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    for commands in COMMANDS:
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return folder


def test_each_participant_has_higher_valence_in_pleasant_than_in_unpleasant_trials(study: Path) -> None:
    import pandas

    long = pandas.read_csv(study / "long.csv", dtype={"participant": str})
    trials = long[long.segment != "recording"]
    assert len(trials) == 6 * 3 * 3
    assert (trials.valid_share == 1).all()
    by_recording = trials.pivot(index=["participant", "recording"], columns="segment", values="valence_mean")
    assert len(by_recording) == 6 * 3
    assert (by_recording.pleasant > by_recording.neutral + 0.1).all()
    assert (by_recording.neutral > by_recording.unpleasant + 0.1).all()
    wide = pandas.read_csv(study / "wide.csv", dtype={"participant": str, "face": str})
    assert len(wide) == 6 * 3
    assert (wide.pleasant_valence_from_baseline > wide.unpleasant_valence_from_baseline).all()
    assert set(wide.face) == set(wide.participant) == {"01", "02", "03", "04", "05", "06"}


def test_every_recording_has_its_values_and_events_in_the_bids_data_set(study: Path) -> None:
    folder = study / "results" / "bids"
    for kind in ("recording-face_physio.tsv.gz", "events.tsv"):
        names = {path.name for path in folder.rglob(f"*_{kind}")}
        assert names == {f"sub-0{p}_task-film_run-{run}_{kind}" for p in range(1, 7) for run in range(1, 4)}
    events = (folder / "sub-02" / "beh" / "sub-02_task-film_run-2_events.tsv").read_text().splitlines()
    assert [line.split("\t")[2] for line in events[1:]] == ["neutral", "unpleasant", "pleasant"]


def test_the_figures_have_every_recording_and_trial(study: Path) -> None:
    page = (study / "report.html").read_text()
    assert "sub-06_task-film_run-3" in page
    assert page.count("<img ") == 4
    assert (study / "trials.svg").read_text().count("unpleasant") >= 1


def test_the_page_shows_the_beginning_of_the_files(study: Path) -> None:
    trials, manifest = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    assert (study / "study" / "trials.csv").read_text().startswith(trials)
    assert (study / "study" / "manifest.csv").read_text().startswith(manifest)


def test_the_notebook_runs_on_the_study(study: Path) -> None:
    outputs = run_notebook(ROOT / "examples" / "study.ipynb", study)
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    (printed,) = (output["text"] for output in outputs if output["output_type"] == "stream")
    low, high = map(float, re.findall(r"interval (\S+) to (\S+)", printed)[0])
    assert 0.5 < low < high
