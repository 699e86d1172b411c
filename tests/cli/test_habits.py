"""Habits of the command line: late rows are counted, a past is hinted at, quiet is quiet, whole is whole."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import PROJECT, fill_shop, write_shop

LATE = """
entities: [{name: customer, keys: {customer: string}}]
sources:
  - name: orders
    path: days/*.csv
    event_time: at
    available_at: seen
    columns: {customer: string, at: timestamp, seen: timestamp}
feature_views:
  - {name: spend, entity: customer, source: orders, aggregates: [{op: count, windows: [7d]}]}
"""


@pytest.fixture
def said(capsys):
    """A function that runs a command and returns its exit code, and what it said."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(words))
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """An applied, materialized and pushed repository, as the current folder."""
    monkeypatch.chdir(fill_shop(tmp_path))
    assert main(["push", "-q"]) == 0
    capsys.readouterr()
    return tmp_path


@pytest.mark.long
def test_rows_that_came_too_late_are_counted_until_since_takes_them(tmp_path, monkeypatch, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(LATE)
    (tmp_path / "days").mkdir()
    head, day = "customer,at,seen\n", "2026-01-0{0}T10:00:00Z,2026-01-0{0}T11:00:00Z\n"
    (tmp_path / "days" / "6.csv").write_text(
        f"{head}ana,{day.format(6)}zoe,2026-03-01T10:00:00Z,2026-01-06T11:00:00Z\n"
    )
    assert said("apply", "--auto-approve", "-q")[0] == 0
    assert "spend@1: newer events lie ahead of now, until 2026-03-01 10:00\n" in said("materialize", "-q")[1]
    assert "late" not in said("status")[1]
    (tmp_path / "days" / "5.csv").write_text(f"{head}ana,{day.format(5)}ben,{day.format(5)}")
    assert "2 rows dropped: " in (text := said("materialize", "-q")[1])
    assert "featurectl materialize spend --since 2026-01-05T10:00:00Z takes them" in text
    command = "materialize spend --since 2026-01-05T10:00:00Z"
    assert f"2 late rows left out: {command}" in said("status")[1]
    assert row_of_view(said("status", "-o", "json")[1])["late_rows"] == 2
    assert said(*command.split(), "-q")[0] == 0
    assert row_of_view(said("status", "-o", "json")[1])["late_rows"] == 0
    assert "late" not in said("status")[1]
    with (tmp_path / "days" / "6.csv").open("a") as file:
        file.write(f"eve,{day.format(4)}")
    text = said("materialize", "-q")[1]
    assert "1 row dropped: known before the watermark; featurectl materialize spend --since 2026-01-04" in text
    assert "takes it\n" in text
    assert "0 of 1 table changed, 0 rows written" in text
    assert "1 late row left out: materialize spend --since 2026-01-04T10:00:00Z" in said("status")[1]
    with (tmp_path / "days" / "6.csv").open("a") as file:
        file.write(f"ana,{day.format(6)}")
    again = "1 row dropped: the same as rows that the table has; where files hold it twice, --since and --full do, too"
    assert again in said("materialize", "-q")[1]
    assert "1 late row left out: " in said("status")[1]
    (tmp_path / "days" / "6.csv").write_text(f"{head}eve,{day.format(4)}")
    gone = "rows that were read of days/6.csv are changed there or gone"
    since = "materialize spend --since 2026-01-06T10:00:00Z"
    kept = f"featurectl {since} takes them as they are, --keep-changed leaves it at that"
    mended = f"and in the table as they were; {kept}"
    for words in ((), (), ("--dry-run",)):
        assert f"spend@1: {gone}, {mended}\n" in said("materialize", "-q", *words)[1], words
    assert f"{gone}: {since}" in said("status")[1]
    assert row_of_view(said("status", "-o", "json")[1])["changed_parts"] == ["days/6.csv"]
    assert gone not in said("materialize", "--keep-changed", "-q")[1] + said("status")[1] + said("materialize")[1]
    assert row_of_view(said("status", "-o", "json")[1])["rows"] == 4
    assert said("materialize", "spend", "--full", "-q")[0] == 0
    assert row_of_view(said("status", "-o", "json")[1])["rows"] == 3


@pytest.mark.long
def test_late_rows_count_until_all_of_their_events_were_taken(tmp_path, monkeypatch, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "objects.yaml").write_text(LATE)
    (tmp_path / "days").mkdir()
    head, day = "customer,at,seen\n", "2026-01-0{0}T10:00:00Z,2026-01-0{0}T11:00:00Z\n"
    (tmp_path / "days" / "6.csv").write_text(f"{head}ana,{day.format(6)}")
    assert said("apply", "--auto-approve", "-q")[0] == said("materialize", "-q")[0] == 0
    (tmp_path / "days" / "5.csv").write_text(f"{head}ana,{day.format(2)}ben,{day.format(5)}")
    assert said("materialize", "-q")[0] == 0
    steps = [
        (("--since", "2026-01-04"), "2026-01-02T10:00:00Z"),
        (("--since", "2026-01-03", "--until", "2026-01-04"), "2026-01-02T10:00:00Z"),
        (("--since", "2026-01-01", "--until", "2026-01-03"), "2026-01-03T00:00:00Z"),
        (("--since", "2026-01-03", "--until", "2026-01-04T00:00:01Z"), None),
    ]
    for words, left in steps:
        assert said("materialize", "spend", *words, "-q")[0] == 0
        text = said("status")[1]
        assert ("late" in text, left is None or f"materialize spend --since {left}" in text) == (left is not None, True)


def row_of_view(document: str) -> dict[str, object]:
    """Return what the JSON of `status` says of the view."""
    (row,) = [row for row in json.loads(document)["result"]["rows"] if row["kind"] == "view"]
    return dict(row)


@pytest.mark.usefixtures("shop")
def test_a_past_of_the_online_store_is_hinted_at_offline(said):
    past = ("--as-of", "2026-01-07T00:00:00Z")
    _, text, _ = said("get", "spend", "customer=ana", *past)
    assert text.endswith("--offline computes those of an instant in the past.\n")
    for words in ((), ("--as-of", "2026-01-08T00:00:00Z"), (*past, "--offline")):
        assert "in the past" not in said("get", "spend", "customer=ana", *words)[1], words


def test_apply_says_one_line_when_it_is_quiet(tmp_path, monkeypatch, said):
    monkeypatch.chdir(write_shop(tmp_path))
    assert said("apply", "--auto-approve", "-q") == (0, "Applied to dev, serial 1: 6 added.\n", "")
    code, text, _ = said("apply", "--auto-approve", "-q")
    assert (code, text) == (0, "")
    (tmp_path / "views.yaml").write_text((tmp_path / "views.yaml").read_text().replace("ttl: 2d", "ttl: 3d"))
    assert "featurectl plan" in said("apply", "--auto-approve")[1]


@pytest.mark.usefixtures("shop")
def test_verify_counts_what_agrees_and_lists_it_when_it_is_to_say_more(said):
    code, text, _ = said("verify", "--store", "-q")
    assert (code, text.splitlines()[0]) == (0, "3 features agree: -v lists them.")
    code, text, _ = said("verify", "--store", "-q", "-v")
    assert code == 0
    rows = [line.split()[:2] for line in text.splitlines()[1:4]]
    assert rows == [["last_order@1", "amount"], *(["spend@1", name] for name in ("count_7d", "amount_sum_7d"))]
    assert "agree" not in text
