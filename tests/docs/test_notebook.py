"""The tutorial's notebook is run from its first cell to its last, and shows what it says.

NOTEBOOK=write writes its outputs again, for a person to read the diff.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial" / "notebook.ipynb"


def outputs(notebook: Any) -> list[list[str]]:
    """Return what each cell with code shows, as plain text."""
    return [
        [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_shows_what_its_cells_give(tmp_path, monkeypatch):
    with warnings.catch_warnings(action="ignore"):
        from nbclient import NotebookClient

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shown = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path / "work"
    folder.mkdir()
    NotebookClient(run, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    if os.environ.get("NOTEBOOK") == "write":
        for cell in run.cells:
            cell.metadata = {}
        nbformat.write(run, NOTEBOOK)
        shown = run
    assert outputs(run) == outputs(shown)
    assert [path.name for path in folder.iterdir()] == ["flights"]
