"""The tutorial's notebook is run from its first cell to its last, and shows what it says.

NOTEBOOK=write writes its outputs again, for a person to read the diff.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "tutorial" / "notebook.ipynb"


# Run after the last cell: progress is drawn in a notebook by default, and an error is a few lines.
MATERIALIZE = "featurectl.open_project('flights').materialize('airport_weather', full=True)[0].label"
WRONG = "project.get('airport_wether')"


def code_cell(text: str, tags: Sequence[str] = ()) -> Any:
    """Return a cell that isn't in the notebook of the docs."""
    cell = nbformat.v4.new_code_cell(text)
    cell.metadata["tags"] = list(tags)
    return cell


def check_progress(shown: Sequence[Any]) -> None:
    """See that a line of progress was drawn, once and in place, above the cell's result."""
    progress, result = shown
    assert progress.output_type == "display_data"
    assert progress.data["text/plain"].startswith("airport_weather@1: ")
    assert progress.data["text/html"].startswith("<pre>airport_weather@1: ")
    assert result.data["text/plain"] == "'airport_weather@1'"


def outputs(notebook: Any) -> list[list[str]]:
    """Return what each cell with code shows, as plain text."""
    return [
        [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.long
def test_the_notebook_shows_what_its_cells_give(tmp_path, monkeypatch):
    with warnings.catch_warnings(action="ignore"):
        from nbclient import NotebookClient

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shown = nbformat.read(NOTEBOOK, as_version=4)
    run = nbformat.read(NOTEBOOK, as_version=4)
    run.cells += [code_cell(MATERIALIZE), code_cell(WRONG, tags=["raises-exception"])]
    folder = tmp_path / "work"
    folder.mkdir()
    NotebookClient(run, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    drawn, wrong = (run.cells.pop(-2).outputs, run.cells.pop().outputs)
    check_progress(drawn)
    (error,) = wrong
    assert error.traceback == [
        "UsageError: no feature view 'airport_wether' is applied in project flights",
        error.traceback[1],
    ]
    assert error.traceback[1].startswith('  = did you mean "airport_weather"?')
    if os.environ.get("NOTEBOOK") == "write":
        for cell in run.cells:
            cell.metadata = {}
        nbformat.write(run, NOTEBOOK)
        shown = run
    assert outputs(run) == outputs(shown)
    assert [path.name for path in folder.iterdir()] == ["flights"]
