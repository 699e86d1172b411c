"""The long counts run when they are asked for, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CAMPAIGN = "tests/registry/test_database.py::test_a_new_file_has_one_winner_however_many_write_it_first"


@pytest.mark.parametrize("words,rounds", [([], "8"), (["-m", "stress"], "300")])
def test_a_campaign_is_left_out_unless_it_is_asked_for(words, rounds):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words, CAMPAIGN]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120)
    assert [line for line in done.stdout.splitlines() if "::" in line] == [f"{CAMPAIGN}[{rounds}]"]
