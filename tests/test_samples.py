"""Cases are in `make test` or in `make long`, each in one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.samples import in_sample

ROOT = Path(__file__).parent.parent
COUNTS = st.integers(1, 60)


@given(COUNTS, COUNTS)
def test_so_many_cases_stay_and_the_first_is_one_of_them(total, count):
    chosen = in_sample(total, count)
    assert len(chosen) == min(total, count)
    assert 0 in chosen
    assert max(chosen) < total
    distances = {later - earlier for earlier, later in zip(sorted(chosen), sorted(chosen)[1:], strict=False)}
    assert not distances or max(distances) - min(distances) <= 1


PROBE = """
import pytest

@pytest.mark.sample(2)
@pytest.mark.parametrize("number", range(5))
def test_of_some_cases(number):
    pass

@pytest.mark.long
def test_of_a_long_story():
    pass

def test_of_a_moment():
    pass
"""
TWICE = """
import sys
import pytest

for words in ([], ["-m", "long and not stress and not guests"]):
    print("WORDS", flush=True)
    pytest.main(["--collect-only", "-q", "-p", "tests.conftest", "-c", "pyproject.toml", *words, *sys.argv[1:]])
"""


def test_what_make_test_leaves_out_is_in_make_long(tmp_path):
    (tmp_path / "test_probe.py").write_text(PROBE)
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    found = [line.rpartition("::")[2] for line in done.stdout.splitlines() if "::" in line or line == "WORDS"]
    short = ["test_of_some_cases[0]", "test_of_some_cases[2]", "test_of_a_moment"]
    assert found == [
        "WORDS",
        *short,
        "WORDS",
        "test_of_some_cases[1]",
        "test_of_some_cases[3]",
        "test_of_some_cases[4]",
        "test_of_a_long_story",
    ]


def test_the_command_and_ci_choose_what_is_left_out():
    assert '.ci/tests $(RUN) --durations=10 -m "long and not stress and not guests"' in (ROOT / "Makefile").read_text()
    assert "make long\n" in (ROOT / ".ci" / "run").read_text()
