"""examples/analysis.ipynb: a notebook without stored outputs, whose cells run one after another."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

for module in ("pandas", "matplotlib"):
    pytest.importorskip(module, reason=f"{module} is not installed; `make setup-all` brings it")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "analysis.ipynb"
WAIT_S = 240.0


@pytest.mark.timeout(300)
def test_the_notebook_runs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)
    program = "\n".join("".join(cell["source"]) for cell in cells)
    checks = "assert len(statistics) == 3 and (folder / 'recording.csv.json').is_file(), statistics"
    command = [sys.executable, "-c", f"{program}\n{checks}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)
    assert done.returncode == 0, done.stderr
