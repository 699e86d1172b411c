"""`${NAME}` in texts."""

import re

import pytest

from featurectl.core.errors import UsageError
from featurectl.core.variables import expand, has_password, hide_passwords, shown_location
from tests.language.repository import load


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


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://ana:s3cret@host/db", True),
        ("postgresql://ana:s3/cr:e?t#x@host/db", True),
        ("redis://:s3cret@host/0", True),
        ("postgresql://host/db?user=ana&PassWord=s3cret", True),
        ("postgresql://ana:pre${PASSWORD}@host/db", True),
        ("postgresql://${USER}:${PASSWORD:-s3cret}@host/db", True),
        ("${DB:-postgresql://ana:s3cret@host/db}", True),
        ("postgresql://${USER}:${PASSWORD}@${HOST:-localhost}:5432/db?password=${PASSWORD}", False),
        ("postgresql://${USER:-ana}:${PASSWORD:-}@host/db", False),
        ("postgresql://ana@host:5432/db?sslmode=require", False),
        ("https://host/api?credential=id:s3cret", True),
        ("https://host/api?s3.secret-access-key=s3cret&warehouse=w", True),
        ("https://host/api?credential=${ID}&s3.session-token=${TOKEN}&s3.region=eu-west-1", False),
        ("${DB:-sqlite:///shop.db}", False),
    ],
)
def test_a_password_is_found_wherever_it_may_stand_in_a_location(url, found):
    assert has_password(url) is found


@pytest.mark.parametrize(
    "where",
    ["sql: {url: URL, query: select 1}", "stream: {topic: t, url: URL}", "iceberg: {table: a.b, catalog: URL}"],
)
def test_a_password_in_the_address_of_a_source_is_a_problem(tmp_path, where):
    text = "sources: [{name: s, WHERE, columns: {at: timestamp}, event_time: at}]\n".replace("WHERE", where)
    errors = load(tmp_path, {"x.yaml": text.replace("URL", '"redis://ana:s3cret@host"')}).errors
    assert [p.code for p in errors if p.code == "FC313"] == ["FC313"]
    assert "s3cret" not in " ".join(p.message for p in errors)
    without = load(tmp_path, {"x.yaml": text.replace("URL", '"redis://ana:${PASSWORD}@host"')}).errors
    assert [p.code for p in without if p.code == "FC313"] == []


def test_a_variable_that_is_none_is_a_problem(tmp_path):
    text = 'sources: [{name: s, path: "${1}.csv", event_time: at, delay: 1m}]\n'
    assert [p.code for p in load(tmp_path, {"x.yaml": text}).errors] == ["FC104"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('webhook: "https://h/a,KEY"', 'webhook: "{}"'),
        ('{name: ops, webhook: "https://h/y}KEY", to: x}', '{name: ops, webhook: "{}", to: x}'),
        (r'webhook: "https://h/\",KEY"', 'webhook: "{}"'),
        ("slack: 'https://h/a'',KEY' # ours", "slack: '{}' # ours"),
        ("slack: 'https://h/a,KEY", "slack: '{}"),
        ("slack: https://h/a,b}KEY # ours", "slack: {} # ours"),
        ("slack: !!str https://h/a,KEY", "slack: !!str {}"),
        ("{slack: https://h/KEY, pagerduty: KEY}", "{slack: {}, pagerduty: {}}"),
        ("slack: ${SLACK_URL}", "slack: ${SLACK_URL}"),
        ("slack: '${SLACK_URL}' # ours", "slack: '${SLACK_URL}' # ours"),
        ("{slack: ${SLACK_URL} , webhook: ${A}${B}}", "{slack: ${SLACK_URL} , webhook: ${A}${B}}"),
        ("slack: ${SLACK_URL:-KEY}", "slack: {}"),
    ],
)
def test_a_line_shows_no_key_of_a_notifier_and_all_else(line, shown):
    parts = [re.escape(part) for part in shown.split("{}")]
    assert re.fullmatch(r"\*+".join(parts), hide_passwords(line))
