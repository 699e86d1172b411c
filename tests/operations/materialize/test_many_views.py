"""What a run asks of the registry and of its records once, however many views there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from benchmarks.many_views import write_repository
from featurectl.cli.main import main
from featurectl.offline.folder import FolderFiles
from featurectl.registry import file
from featurectl.workspace.open import open_workspace

VIEWS = 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many") / "repo"
    write_repository(root, VIEWS)
    pl.read_parquet(root / "events.parquet").write_csv(root / "events.csv")  # whose types no file says
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("events.parquet", "events.csv"))
    assert main(["apply", "--auto-approve", "-q", "-C", str(root)]) == 0
    assert main(["materialize", "-q", "-C", str(root)]) == 0
    return root


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was called since."""
    found: list[str] = []

    def counted(of: object, name: str) -> None:
        call: Callable[..., object] = getattr(of, name)

        def count(*args: object, **options: object) -> object:
            found.append(name)
            return call(*args, **options)

        monkeypatch.setattr(of, name, count)

    counted(file, "read_state")
    counted(file, "read_newest_erasure")
    counted(file, "read_view_columns")
    counted(FolderFiles, "marks")
    return found


@pytest.mark.parametrize(("command", "columns"), [("materialize", {"read_view_columns": 2}), ("push", {})])
def test_views_ask_the_registry_for_the_newest_erasure_alone(
    root: Path, calls: list[str], command: str, columns: dict[str, int]
):
    assert main([command, "-q", "-C", str(root)]) == 0
    once = {"read_state": 1} | columns
    assert {name: calls.count(name) for name in calls} == {"read_newest_erasure": 2 * VIEWS} | once


@pytest.mark.parametrize("is_plain", [True, False])
def test_an_erasure_of_another_process_is_noticed(root: Path, calls: list[str], *, is_plain: bool):
    with open_workspace(root, None, None) as workspace:
        if not is_plain:  # a registry that SQLAlchemy alone can ask
            workspace.registry_file = lambda: None  # type: ignore[method-assign]
        before = workspace.erasures_by_now()
        assert main(["erase", "user", "user=7", "-q", "-C", str(root)]) == 0
        calls.clear()
        now = workspace.erasures_by_now()
        assert len(now.tombstones) == len(before.tombstones) + 1
        assert workspace.erasures_by_now() is now
    assert calls.count("read_state") == is_plain
