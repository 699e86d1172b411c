"""Every problem code that the program can print is explained, and none is explained for nothing."""

import re
from pathlib import Path

from featurectl.language.problems.codes import CODES

PACKAGE = Path(__file__).parents[2] / "featurectl"


def test_the_codes_in_the_program_are_those_in_the_list():
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if (
            path.name not in ("problems.py", "codes_clocks.py", "codes_models.py", "codes_stores.py")
            or path.parent.name != "spec"
        ):
            used |= set(re.findall(r"\bFC\d{3}\b", path.read_text()))
    assert used == set(CODES)
