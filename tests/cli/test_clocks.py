"""Commands say once which timestamps they took for UTC because nothing says what they are."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main
from tests.bad_input.shop import write_shop

NOTE = "note: source orders: ordered_at has no time zone; read as UTC (`timezone:` says otherwise)\n"


def write_naive(root):
    """Write the small shop with timestamps that have no time zone."""
    write_shop(root)
    for path in (root / "data/orders.csv", root / "data/asks.csv"):
        path.write_text(path.read_text().replace(":00Z", ":00"))
    return root


@pytest.fixture
def shop(tmp_path, monkeypatch):
    root = write_naive(tmp_path / "shop")
    monkeypatch.chdir(root)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    return root


def said(capsys, *words):
    capsys.readouterr()
    assert main([*words]) == 0
    return capsys.readouterr().err


def declare(root, zone):
    path = root / "objects.yaml"
    text = path.read_text()
    path.write_text(text.replace("    path: data/orders.csv\n", f"    path: data/orders.csv\n    timezone: {zone}\n"))


@pytest.mark.usefixtures("shop")
def test_materialize_says_it_once_however_many_views_read_the_source(capsys):
    err = said(capsys, "materialize")
    assert err.count("note: ") == 1
    assert NOTE in err
    assert err.index("last_order@1") < err.index(NOTE) < err.index("spend@1")


@pytest.mark.usefixtures("shop")
def test_a_run_that_reads_nothing_has_nothing_to_say(capsys):
    said(capsys, "materialize")
    assert "note: " not in said(capsys, "materialize")
    assert NOTE in said(capsys, "materialize", "--full")


@pytest.mark.usefixtures("shop")
def test_a_quiet_run_says_nothing(capsys):
    assert said(capsys, "materialize", "-q") == ""


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_declared_time_zone_is_not_repeated(tmp_path, monkeypatch, capsys, zone):
    root = write_naive(tmp_path / "shop")
    monkeypatch.chdir(root)
    declare(root, zone)
    said(capsys, "apply", "--auto-approve")
    assert "note: " not in said(capsys, "materialize")


def test_utc_may_be_written_out_without_applying_anything(shop, capsys):
    declare(shop, "UTC")
    assert "note: " not in said(capsys, "materialize")


@pytest.mark.usefixtures("shop")
def test_training_sets_training_and_scores_say_it_of_the_spine(capsys):
    said(capsys, "materialize")
    note = "note: source asks: at has no time zone; read as UTC (`timezone:` says otherwise)\n"
    for words in (
        ("training-set", "pays", "--out", "x.csv"),
        ("train", "pays"),
        ("score", "pays", "--out", "x.csv"),
    ):
        err = said(capsys, *words)
        assert (err.count("note: "), note in err) == (1, True)


def test_a_file_of_the_command_line_has_no_key_to_declare_it_by(shop, capsys):
    said(capsys, "materialize")
    (shop / "ask.csv").write_text("customer,event_time\na,2026-01-05 10:00\n")
    err = said(capsys, "training-set", "--features", "spend:count_7d", "--spine", "ask.csv", "--out", "x.csv")
    assert "note: source ask.csv: event_time has no time zone; read as UTC\n" in err


def cut_to_dates(root):
    """Leave the dates alone of the times of the orders."""
    path = root / "data/orders.csv"
    header, *rows = path.read_text().splitlines()
    place = header.split(",").index("ordered_at")
    cut = [[value[:10] if i == place else value for i, value in enumerate(row.split(","))] for row in rows]
    path.write_text("\n".join([header, *map(",".join, cut)]) + "\n")


def test_the_first_run_notes_once_that_event_times_are_dates(shop, capsys):
    cut_to_dates(shop)
    err = said(capsys, "materialize")
    assert err.count("(FC358)") == 1
    assert 'note: source orders: "ordered_at" holds dates: a row counts as known at the midnight' in err
    assert "FC358" not in said(capsys, "materialize", "--full")
