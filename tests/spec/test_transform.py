"""The code of a transform is read, never run; what can't be read is told, and what can is told apart."""

import pytest

from featurectl.plan.wanted import wanted_objects
from featurectl.spec.code import code_digest
from tests.spec.repository import BASE, load

VIEW = """feature_views:
  - name: made
    entity: carrier
    source: arrivals
    transform: transforms/t.py:f
    features: [{name: y, type: float64}]
"""


def repo_of(folder, code):
    return load(folder, {"base.yaml": BASE, "made.yaml": VIEW, "transforms/t.py": code})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(rows:\n", "'(' was never closed, line 1"),
        ("x = 1\nreturn = 2\n", "invalid syntax, line 2"),
        ("def f(rows):\n    return " + "+".join(["1"] * 20_000) + "\n", "it is nested too deeply"),
    ],
)
def test_code_that_can_not_be_read_is_told_with_its_line(tmp_path, code, reason):
    (problem,) = repo_of(tmp_path, code).errors
    assert (problem.code, problem.message) == ("FC208", f'"transforms/t.py" is not Python: {reason}')


@pytest.mark.parametrize("body", ["d" + ".a" * 1_500, "+".join(["d"] * 1_500), "0x" + "f" * 10_000])
def test_a_long_chain_and_a_long_number_have_a_fingerprint(tmp_path, body):
    repo = repo_of(tmp_path, f"def f(d):\n    return {body}\n")
    assert repo.errors == ()
    assert [item.name for item in wanted_objects(repo) if item.kind == "feature_view"] == ["delays", "facts", "made"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("d.a.b", "d.b.a"),
        ("f(a, b)", "f([a, b])"),
        ("'1'", "1"),
        ("1", "1.0"),
        ("True", "1"),
        ("b'a'", "'a'"),
        ("[]", "[[]]"),
        ("0x" + "f" * 5_000, "0x" + "f" * 4_999),
        ("'[\"Name\"'", "'[Name'"),
    ],
)
def test_other_code_is_other_code(one, other):
    assert code_digest(f"x = {one}") != code_digest(f"x = {other}")
    assert code_digest(f"x = {one}") == code_digest(f"x = ({one})  # the same")
