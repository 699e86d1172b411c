"""`materialize --since --until --dry-run` from the command line, and failed checks."""

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import FILES


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    return tmp_path


@pytest.fixture
def run(shop, capsys):  # noqa: ARG001  # after this fixture
    capsys.readouterr()

    def call(*args, code=0):
        assert main(["materialize", "-q", *args]) == code
        found = capsys.readouterr()
        return found.err if code else found.out

    return call


def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(run, shop):
    out = run("--dry-run")
    assert out.splitlines() == [
        "view          would do  parts read  table begins  because",
        "history@1     first     1 of 1      -             it has no table yet",
        "last_order@1  first     1 of 1      -             it has no table yet",
        "spend@1       first     1 of 1      -             it has no table yet",
        "",
        "Nothing was read or written: this is a dry run.",
    ]
    assert not list((shop / "off").rglob("*.parquet"))
    document = json.loads(run("spend", "--dry-run", "--since", "2026-01-01T00:00:00Z", "-o", "json"))
    assert document["result"]["views"] == [
        {
            "view": "spend",
            "version": 1,
            "action": "first",
            "reason": "it has no table yet",
            "parts_read": 1,
            "parts": 1,
            "begin": "2026-01-01T00:00:00Z",
            "changed_parts": [],
            "changed_since": None,
        }
    ]


def test_a_table_begins_at_since_and_a_range_is_filled_in(run):
    made = json.loads(run("spend", "--since", "2026-01-07T00:00:00Z", "-o", "json"))["result"]["views"]
    assert [(v["action"], v["rows_written"]) for v in made] == [("first", 1)]
    made = json.loads(run("spend", "--until", "2026-01-07T00:00:00Z", "-o", "json"))["result"]["views"]
    assert [(v["action"], v["rows_written"], v["online_keys"]) for v in made] == [("backfill", 2, 2)]
    assert "2 of 3 tables changed" in run()
    assert "0 of 3 tables changed" in run()


@pytest.mark.long
def test_a_range_is_filled_in_though_the_table_had_to_be_rebuilt_first(run, shop):
    run("spend", "--since", "2026-01-07T00:00:00Z")
    text = (shop / "orders.csv").read_text().replace("10.5", "11.5")
    (shop / "orders.csv").write_text(text)
    made = json.loads(run("spend", "--since", "2025-01-01T00:00:00Z", "-o", "json"))["result"]["views"]
    assert [(v["action"], v["rows_written"]) for v in made] == [("backfill", 3)]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["spend", "--full", "--until", "2026-01-01T00:00:00Z"], "--full and --until"),
        (["spend", "--since", "monday"], "'monday' is not an instant"),
        (["spend", "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"], "the range is empty"),
        (["spend", "--until", "2026-01-01T00:00:00Z"], "spend has no table yet, and one has no end"),
    ],
)
def test_a_range_that_is_none_is_wrong_usage(run, args, said):
    assert said in run(*args, code=64)


@pytest.mark.long
def test_a_failed_check_ends_with_1_and_numbers_and_keeps_what_was_there(run, shop):
    run()
    views = (shop / "views.yaml").read_text()
    checked = views.replace("path: orders.csv", "path: orders.csv\n    checks: [{column: amount, between: [0, 5]}]")
    (shop / "views.yaml").write_text(checked)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    said = run("--full", code=1)
    assert (
        'error[FC518]: check "amount between 0 and 5" of source orders failed: 1 of 3 rows, the first is 10.5' in said
    )
    (shop / "views.yaml").write_text(checked.replace("[0, 5]", "[0, 5], severity: warn"))
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert 'spend@1: check "amount between 0 and 5" of source orders failed: 1 of 3 rows' in run("--full")
