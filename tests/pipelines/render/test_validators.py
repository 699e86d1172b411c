"""What the programs that read rendered files, or know their schemas, say of the golden ones: nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.shop import GOLDEN, deployments_for, pipelines_for, write_repository
from tests.servers.guest_environment import guest_environment

TOOLS = Path(sys.executable).parent
WORKFLOWS = sorted((GOLDEN / "pipelines/github-actions").iterdir())
COMPOSE = GOLDEN / "deployments/compose/compose.yaml"
ARGO = sorted((GOLDEN / "pipelines/argo").iterdir())
MANIFESTS = sorted([*(GOLDEN / "pipelines/kubernetes").iterdir(), *(GOLDEN / "deployments/kubernetes").iterdir()])


def said(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def broken(path: Path, folder: Path, old: str, new: str) -> Path:
    """Return a copy of a file with a mistake."""
    text = path.read_text()
    assert old in text
    copy = folder / path.name
    copy.write_text(text.replace(old, new))
    return copy


def schema_says(name: str, *paths: Path) -> int:
    return said(TOOLS / "check-jsonschema", "--builtin-schema", f"vendor.{name}", *paths).returncode


def actionlint_says(*paths: Path) -> str:
    return said(TOOLS / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", *paths).stdout


def test_workflows_are_what_github_takes(tmp_path):
    assert schema_says("github-workflows", *WORKFLOWS) == 0
    assert actionlint_says(*WORKFLOWS) == ""
    nightly = next(path for path in WORKFLOWS if path.name == "nightly.yaml")
    assert schema_says("github-workflows", broken(nightly, tmp_path, "runs-on", "run-on")) == 1
    assert "clok" in actionlint_says(broken(nightly, tmp_path, "needs.start.outputs.clock", "needs.start.outputs.clok"))


@pytest.mark.long
def test_the_compose_file_is_what_compose_takes(tmp_path):
    assert schema_says("compose-spec", COMPOSE) == 0
    assert schema_says("compose-spec", broken(COMPOSE, tmp_path, "read_only", "readonly")) == 1


def plain(value: Any) -> Any:
    """Return a document without what is null or empty, which models leave out."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if item is not None}
    return [plain(item) for item in value] if isinstance(value, list) else value


def lost_by_argo(document: Mapping[str, Any]) -> bool:
    """Return whether the models of Argo's objects lose something of a document, as they do with unknown keys."""
    from hera.workflows import models

    kind = getattr(models, document["kind"])
    read = kind.model_validate(document)
    return plain(read.model_dump(mode="json", by_alias=True, exclude_none=True)) != plain(document)


@pytest.mark.parametrize("path", ARGO, ids=lambda path: path.stem)
def test_workflows_of_argo_pass_through_its_models_unchanged(path):
    document = yaml.safe_load(path.read_text())
    assert not lost_by_argo(document)
    spec = document["spec"].get("workflowSpec", document["spec"])
    spec["templates"][1]["container"]["readinessProb"] = {}
    assert lost_by_argo(document)


@pytest.mark.guests
def test_manifests_are_what_kubernetes_takes(tmp_path):
    guest = guest_environment("kubernetes")

    def strictly(paths: Sequence[Path]) -> subprocess.CompletedProcess[str]:
        command = [guest.program("kubernetes-validate"), "--strict", *paths]
        return subprocess.run(command, check=False, capture_output=True, text=True, env=guest.environ)

    checked = strictly(MANIFESTS)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    inference = next(path for path in MANIFESTS if path.name == "flights-inference.yaml")
    assert strictly([broken(inference, tmp_path, "readinessProbe", "readynessProbe")]).returncode != 0


@pytest.mark.guests
def test_units_are_what_systemd_takes(tmp_path):
    root = write_repository(tmp_path / "repo")
    program = root / ".venv/bin/featurectl"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    places = SitePlaces(folder=str(root))
    units = {**pipelines_for(root, "systemd", places=places), **deployments_for(root, "systemd", places=places)}
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    checked = said("systemd-analyze", "verify", *(tmp_path / name for name in units))
    assert (checked.returncode, checked.stderr) == (0, "")
    wrong = broken(tmp_path / "flights-prod-nightly.timer", tmp_path, "Persistent", "Persistant")
    assert "Persistant" in said("systemd-analyze", "verify", wrong).stderr
