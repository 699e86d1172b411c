"""The long counts run when they are asked for, and only then."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.seeds import IS_FRESH, VARIABLE

ROOT = Path(__file__).parent.parent
CAMPAIGN = "tests/registry/test_database.py::test_a_new_file_has_one_winner_however_many_write_it_first"


BOTH = """
import sys
import pytest

for words in ([], ["-m", "stress"]):
    print("WORDS", words, flush=True)
    pytest.main(["--collect-only", "-q", "--assert=plain", *words, sys.argv[1]])
"""


@pytest.mark.long
def test_a_campaign_is_left_out_unless_it_is_asked_for():
    command = [sys.executable, "-c", BOTH, CAMPAIGN]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    found = [line for line in done.stdout.splitlines() if "::" in line or line.startswith("WORDS")]
    assert found == ["WORDS []", f"{CAMPAIGN}[8]", "WORDS ['-m', 'stress']", f"{CAMPAIGN}[300]"]


def test_random_cases_are_the_same_in_each_run_unless_they_are_to_be_fresh():
    assert settings.get_current_profile_name() == ("fresh" if IS_FRESH else "fixed")
    assert settings().derandomize is not IS_FRESH


PROBE = """
from hypothesis import given, settings, strategies as st
from tests.seeds import seeds_from

drawn = list(seeds_from(3, 5))

@settings(max_examples=5)
@given(st.integers(0, 10**9))
def test_of_drawn_numbers(number):
    drawn.append(number)

def test_that_they_are_shown():
    print("drawn", drawn)
"""


def drawn(folder, seed):
    """Return what a file of tests draws that has the settings of ours, and what is printed."""
    (folder / "test_probe.py").write_text(PROBE)
    words = ["-q", "-s", "--assert=plain", "-p", "tests.conftest", "--rootdir", ".", str(folder)]
    command = [sys.executable, "-m", "pytest", *words]
    environment = {**os.environ, VARIABLE: seed}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, timeout=120, check=False
    )
    (line,) = [line for line in done.stdout.splitlines() if "drawn" in line]
    return line, done.stdout


@pytest.mark.long
def test_fresh_random_cases_are_repeated_by_the_number_that_is_printed(tmp_path):
    first, said = drawn(tmp_path, "41")
    assert "make stress SEED=41 repeats them" in said
    assert "drawn [44, 45" in first
    assert drawn(tmp_path, "41")[0] == first
    fixed, said = drawn(tmp_path, "")
    assert "drawn [3, 4" in fixed
    assert "SEED" not in said


OF_NUMPY = re.compile(r"default_rng\(\)|\bRandom\(\)|np\.random\.(?!default_rng|Generator)\w+\(")
OF_PYTHON = re.compile(r"(?<!\.)\brandom\.(?!Random)\w+\(")


def test_no_test_draws_from_a_generator_without_a_seed():
    found = []
    for file in sorted((ROOT / "tests").rglob("*.py")):
        text = file.read_text()
        marks = [OF_NUMPY, OF_PYTHON] if "\nimport random\n" in text else [OF_NUMPY]
        found += [f"{file.name}: {line.strip()}" for line in text.splitlines() if any(m.search(line) for m in marks)]
    assert found == []
