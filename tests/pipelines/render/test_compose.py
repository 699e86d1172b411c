"""What a deployment may use on a host of Docker Compose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipelines.render.shop import deployments_for, write_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    return write_repository(tmp_path / "repo")


def services(root: Path, *names: str) -> dict[str, Any]:
    return yaml.safe_load(deployments_for(root, "compose", *names)["compose.yaml"])["services"]


def test_memory_is_a_limit_and_processors_are_none(root):
    for service in services(root).values():
        assert "cpus" not in str(service)
    assert services(root)["inference"]["deploy"]["resources"] == {"limits": {"memory": "2G"}}


def test_short_processors_are_shared_by_what_is_asked_for(root):
    shares = {name: service.get("cpu_shares") for name, service in services(root).items()}
    assert shares == {"inference": 2048, "swipes": 512, "watch": 1024, "ages": 1024}
    text = deployments_for(root, "compose")["compose.yaml"].replace("\n# ", " ")
    assert "cpu_shares say who goes first where processors are short, 1024 for each: none is a limit." in text


def test_what_names_no_processors_has_no_shares_where_none_does(root):
    assert "cpu_shares" not in deployments_for(root, "compose", "watch", "ages")["compose.yaml"]


@pytest.mark.parametrize(("cpu", "shares"), [("1m", 2), ("250m", 256), ("1", 1024), ("400", 262144)])
def test_shares_are_of_those_that_a_kernel_takes(root, cpu, shares):
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("resources: {cpu: 2, memory: 2Gi}", f"resources: {{cpu: {cpu}}}"))
    assert services(root, "inference")["inference"]["cpu_shares"] == shares
