"""examples/analysis.ipynb runs in a kernel, and shows its table and its figure."""

from pathlib import Path

import pytest
from support.notebooks import run_notebook

NOTEBOOK = Path(__file__).parents[2] / "examples" / "analysis.ipynb"


@pytest.mark.timeout(300)
def test_the_notebook_runs(tmp_path: Path) -> None:
    outputs = run_notebook(NOTEBOOK, tmp_path)
    shown = [output["data"] for output in outputs if output["output_type"] == "execute_result"]
    assert "valence_effective_n" in shown[1]["text/html"]
    assert "image/png" in shown[2]
    assert "recording.csv.json" in shown[3]["text/plain"]
