"""`${NAME}` in texts."""

import pytest

from featurectl.errors import UsageError
from featurectl.spec.environment import expand
from tests.spec.repository import load


def test_a_variable_is_filled_and_an_unset_one_takes_its_default():
    assert expand("${A}/${B:-b}/${C:-}", {"A": "x"}, "here") == "x/b/"


def test_an_unset_variable_is_named_with_its_place():
    with pytest.raises(UsageError, match=r"REGISTRY_URL is not set \(environment prod, registry\)"):
        expand("${REGISTRY_URL}", {}, "environment prod, registry")


def test_a_variable_that_is_none_is_a_problem(tmp_path):
    text = 'sources: [{name: s, path: "${1}.csv", event_time: at, delay: 1m}]\n'
    assert [p.code for p in load(tmp_path, {"x.yaml": text}).errors] == ["FC104"]
