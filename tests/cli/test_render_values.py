"""Values of feature tests as texts."""

import pytest

from featurectl.cli.render.values import show_pair, show_value
from featurectl.language.problems.report import Report
from featurectl.language.syntax.node import File
from featurectl.language.syntax.reader import read_nodes
from featurectl.operations.feature_tests.results import Cell


@pytest.mark.parametrize(
    "value",
    ["AA", "a b", "2026-01-01T00:00:00Z", "7", "7.0", "true", "null", "", " a", "a: b", "a #b", "- a", "[a", "é日",
     "a\nb", "a\u200bb", "'", '"', "x:", "{}", "@x", "%x", "a\tb", "010", "NO"],
)  # fmt: skip
def test_a_text_is_shown_as_a_test_file_may_hold_it(value):
    for text in (f"k: {show_value(value)}", f"{{k: {show_value([value, value])}}}"):
        node = read_nodes(File("x.yaml", text), Report()).nodes["k"]
        read = [item.value for item in getattr(node, "nodes", [node])]
        assert set(read) == {value}, text


@pytest.mark.parametrize(
    ("expected", "found", "shown"),
    [
        (2, 1, ("2", "1")),
        (0.3, 0.30000001, ("0.3", "0.30000001")),
        ("7", 7, ('"7"', "7")),
        (1, True, ("1", "true")),
        ("caf\u00e9", "cafe\u0301", ("caf\\xe9", '"cafe\\u0301"')),
        ("nan", float("nan"), ("nan (str)", "nan (float)")),
        (2.0, 2, ("2.0", "2")),
        (None, "null", ("null", '"null"')),
    ],
)
def test_values_that_differ_are_shown_apart(expected, found, shown):
    assert show_pair(Cell(row=1, column="x", expected=expected, found=found, agrees=False)) == shown
