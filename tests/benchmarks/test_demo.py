"""What the demo prints of each command."""

import pytest

from benchmarks.demo import HEAD, TAIL, shortened

pytestmark = pytest.mark.long  # of programs that measure, not of the package


def test_an_output_is_shown_by_its_first_and_last_lines():
    lines = [f"{number}" for number in range(20)]
    shown = shortened(["", *lines, ""])
    assert (shown[:HEAD], shown[-TAIL:]) == (lines[:HEAD], lines[-TAIL:])
    assert shown[HEAD] == f"... {20 - HEAD - TAIL} more lines ..."
    few = lines[: HEAD + TAIL + 1]
    assert shortened(few) == few
