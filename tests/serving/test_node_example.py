"""The example in Node of the documentation reads features and a prediction from a real server."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.catalog.shop import make_shop, run
from tests.docs.pages import DOCS, read_blocks
from tests.serving.process import running

pytestmark = pytest.mark.guests  # Node is of the system


@pytest.fixture
def program(tmp_path):
    (block,) = (block for block in read_blocks(DOCS / "how-to" / "read-from-node.md") if block.language == "js")
    path = tmp_path / "client.mjs"
    path.write_text(block.text)
    return path


def test_the_example_in_node_reads_features_and_a_prediction(tmp_path, program):
    root = tmp_path / "shop"
    root.mkdir()
    make_shop(root)
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("source: orders, online: false,", "source: orders,"))
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    row = {"customer": "c1", "day": "2026-01-11", "amount": 3.5}
    with running(root) as server:
        words = [server.url, "spend:count_7d", json.dumps({"customer": ["c1", "nobody"]}), "big", json.dumps(row)]
        done = subprocess.run(["node", str(program), *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        first, second = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
        assert first.startswith("count_7d [ ")
        assert first.endswith("[ 'PRESENT', 'NOT_FOUND' ]")
        assert second.startswith("big version 1: {")
        wrong = subprocess.run(
            ["node", str(program), server.url, "spend:nothing", *words[2:]],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert wrong.returncode == 1
    assert "spend has no feature" in wrong.stderr
