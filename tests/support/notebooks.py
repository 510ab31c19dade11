"""Runs a notebook as Jupyter does: by a kernel of its own, one cell after another."""

from pathlib import Path
from typing import Any

import pytest

WAIT_S = 240


def run_notebook(path: Path, folder: Path) -> list[dict[str, Any]]:
    """The outputs of its cells, in order, with `folder` as the working folder. The file must have no stored outputs."""
    for module in ("nbclient", "ipykernel", "pandas", "matplotlib", "scipy"):
        pytest.importorskip(module, reason=f"{module} is not installed; `make setup-all` brings it")
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    client = nbclient.NotebookClient(notebook, timeout=WAIT_S, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [output for cell in cells for output in cell.outputs]
