"""The fingerprints of a view are computed a number of times that its features have no part in."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import wide_views
from featurectl.cli.main import main
from featurectl.identity.facts.views import feature_facts

COMMANDS = {
    "training-set": "training-set --features wide:* --spine spine.parquet --time t --out made.parquet",
    "train": "train m",
    "score": "score m@1 --spine spine.parquet --out scores.parquet",
}


@pytest.fixture
def counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> dict[str, int]:
    """How often the fingerprints of the view are computed by each command, for so many features."""
    for name, count in {"ROWS": 400, "KEYS": 20, "SPINE": 400, "EXAMPLES": 200}.items():
        monkeypatch.setattr(wide_views, name, count)
    root, calls = tmp_path / "repo", list[str]()
    wide_views.write_repository(root, request.param)
    monkeypatch.chdir(root)
    for command in ("apply --auto-approve", "materialize"):
        assert main([*command.split(), "-q"]) == 0

    def counted(view):
        calls.append(view.name)
        return feature_facts(view)

    monkeypatch.setattr("featurectl.identity.fingerprint.feature_facts", counted)
    found = {}
    for name, command in COMMANDS.items():
        calls.clear()
        assert main([*command.split(), "-q"]) == 0
        found[name] = len(calls)
    return found


@pytest.mark.parametrize("counts", [2, 7], indirect=True)
def test_each_command_computes_them_as_often_for_two_features_as_for_seven(counts):
    assert counts == {"training-set": 2, "train": 4, "score": 1}
