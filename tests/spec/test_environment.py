"""`${NAME}` in texts."""

import pytest

from featurectl.errors import UsageError
from featurectl.spec.environment import expand, shown_location
from tests.spec.repository import load


def test_a_variable_is_filled_and_an_unset_one_takes_its_default():
    assert expand("${A}/${B:-b}/${C:-}", {"A": "x"}, "here") == "x/b/"


def test_an_unset_variable_is_named_with_its_place():
    with pytest.raises(UsageError, match=r"REGISTRY_URL is not set \(environment prod, registry\)"):
        expand("${REGISTRY_URL}", {}, "environment prod, registry")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ana:s3cret@host/db",
        "postgresql://ana:s3/cr:e?t#x@host/db",
        "postgresql://host/db?user=ana&password=s3cret",
        "redis://:s3@cret@host/0",
        "rediss://s3cret@host:6379",
        "postgresql+psycopg://ana:s3cret@${HOST}/db?sslmode=${MODE}&password=s3cret",
        "${DB:-postgresql://ana:s3cret@host/db?password=s3cret}",
        "${DB:-postgresql://ana:s3cret@host}/db",
        "postgresql://${USER}:s3cret@host/db",
        "postgresql://${USER}:${PASSWORD:-s3cret}@host/db",
        "${DB}?password=s3cret",
    ],
)
def test_a_secret_that_is_written_out_in_a_location_is_not_shown(url):
    shown = shown_location(url)
    assert "ana" not in shown
    assert "s3" not in shown
    assert "cret" not in shown
    assert "host" in shown.lower() or "${DB}" in shown


@pytest.mark.parametrize(
    "text",
    [
        "${A}", "redis://${USER}:${PASSWORD}@${HOST}:${PORT:-6379}/0", "s3://bucket/a@b/c", "sqlite:///deep/a.db",
        "sqlite:////tmp/a.db", "why?/not@home", "postgresql://${LOGIN}@host/db",
    ],
)  # fmt: skip
def test_a_location_without_secrets_is_shown_as_it_is_written(text):
    assert shown_location(text) == text


def test_a_variable_that_is_none_is_a_problem(tmp_path):
    text = 'sources: [{name: s, path: "${1}.csv", event_time: at, delay: 1m}]\n'
    assert [p.code for p in load(tmp_path, {"x.yaml": text}).errors] == ["FC104"]
