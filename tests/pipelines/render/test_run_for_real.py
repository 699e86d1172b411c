"""Rendered files do the work: a line of cron, the jobs of GitHub and the pods of Argo leave what a run leaves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from featurectl.operations.init import init_repository
from tests.pipelines.render.files_at_work import WAYS, run

pytestmark = pytest.mark.long  # fifteen commands, each a process

CLOCK = "2026-01-08T05:00:00Z"
PIPELINE = """pipelines:
  - name: nightly
    schedule: "0 5 * * *"
    stages:
      - {name: features, run: materialize --no-online}
      - {name: sync, run: push, needs: [features], retries: 1}
      - {name: check, run: verify --store, needs: [sync]}
"""
LOOKS = ("get customer_orders customer=ann -o json", "get customer_orders customer=ann --offline -o json")


def by_hand(root: Path, clock: str) -> None:
    run(["featurectl", "pipeline", "run", "nightly", "--clock", clock], root)


def left_by(way: Callable[[Path, str], None], root: Path) -> list[str]:
    """Return what a way of running the pipeline leaves, as two commands print it."""
    init_repository(root, "minimal")
    (root / "pipelines.yaml").write_text(PIPELINE)
    run(["featurectl", "apply", "--auto-approve", "-q"], root)
    way(root, CLOCK)
    return [re.sub(r'"[a-z_]*(at|us|asof)": [^,}]+', "", run(["featurectl", *look.split()], root)) for look in LOOKS]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `pipeline run` leaves."""
    return left_by(by_hand, tmp_path_factory.mktemp("hand") / "shop")


@pytest.mark.parametrize("target", WAYS)
def test_a_target_leaves_what_pipeline_run_does(tmp_path, expected, target):
    assert left_by(WAYS[target], tmp_path / "shop") == expected
    assert "67.5" in expected[0]
