"""`monitor drift`: a model's profile next to its spine, to rows of a file and to what was served."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.errors import DataError, StoreError, UsageError
from featurectl.monitor.drift.limits import parse_limits
from featurectl.monitor.drift.logged_window import served_drift
from featurectl.workspace.open import open_workspace
from tests.cli.golden import assert_golden
from tests.model_shop import PROJECT, objects, write_files

NOW = datetime(2026, 1, 20, tzinfo=UTC)
LOGGED = (
    PROJECT
    + """  logged: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-20T00:00:00Z,
           prediction_log: {sample: 0.5}}
  clock: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", prediction_log: {sample: 0.5}}
"""
)


def make_shop(root):
    write_files(root, objects().replace("amount > 20", "amount + qty * 8 > 45"))
    rows = [
        f"k{i % 7},{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=i):%Y-%m-%dT%H:%M:%SZ},{'ab'[i % 2]},{i % 7},"
        f"{i * 37 % 400 / 10}"
        for i in range(800)
    ]
    (root / "s.csv").write_text("\n".join(["k,at,kind,qty,amount", *rows]) + "\n")
    (root / "featurectl.yaml").write_text(LOGGED)
    for words in (["apply", "--auto-approve"], ["materialize", "--no-online"], ["train", "m"]):
        assert main([*words, "-C", str(root), "-q"]) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop")
    make_shop(root)
    write_log(root, "logged", NOW - timedelta(hours=2), [{"q": n % 7, "half": 30.0 + n % 5} for n in range(200)])
    return root


def write_log(root, environment, at, inputs, day="2026-02-03", name="120000-host-1-1.parquet", **columns):  # noqa: PLR0913, PLR0917  # most have a default
    """Write a file of the prediction log, with a score that is high and the columns that the reference describes."""
    folder = root / "off" / "shop" / "predictions" / environment / "m" / "v1" / day
    folder.mkdir(parents=True, exist_ok=True)
    count = len(inputs)
    frame = pl.DataFrame(
        {
            "time": pl.Series([at] * count, dtype=pl.Datetime("us", "UTC")),
            "score": [0.9] * count,
            "error": pl.Series([None] * count, dtype=pl.String),
            "feature.q": pl.Series([row["q"] for row in inputs], dtype=pl.Int64),
            "feature.half": pl.Series([row["half"] for row in inputs], dtype=pl.Float64),
            "feature.c": pl.Series([row.get("c", "a") for row in inputs], dtype=pl.String),
        }
    )
    frame.with_columns(**columns).write_parquet(folder / name)


@pytest.fixture
def drift(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words, code=0, model="m"):
        capsys.readouterr()
        assert main(["monitor", "drift", model, "-C", str(made), "-q", *words]) == code
        return capsys.readouterr()

    return run


def rows_of(printed):
    return {(row["kind"], row["feature"]): row for row in json.loads(printed.out)["result"]["rows"]}


def test_rows_like_those_of_the_training_do_not_drift(drift):
    assert "None of 4 drifts." in drift("--batch", "s").out
    rows = rows_of(drift("--batch", "s", "-o", "json"))
    assert [row["state"] for row in rows.values()] == ["ok"] * 4
    assert rows["feature", "c"]["psi"] < 0.01


def write_spine(path, at, count=300):
    keys = [f"k{n % 9}" for n in range(count)]  # two of nine are unknown
    times = pl.Series([at] * count, dtype=pl.Datetime("us", "UTC"))
    pl.DataFrame({"k": keys, "at": times}).write_parquet(path)


def test_features_of_a_file_are_joined_at_its_instants(drift, tmp_path):
    write_spine(tmp_path / "late.parquet", NOW)
    rows = rows_of(drift("--batch", "late.parquet", "-o", "json", code=1))
    assert rows["feature", "half"]["n"] == 300
    assert rows["feature", "half"]["null_rate"] == pytest.approx(2 / 9, abs=0.01)
    assert rows["feature", "half"]["broken"] == ["psi", "null_rate"]


def test_ranges_of_a_spine_give_the_distances_of_all_at_once(drift, tmp_path, monkeypatch):
    write_spine(tmp_path / "late.parquet", NOW, 500)
    whole = rows_of(drift("--batch", "late.parquet", "-o", "json", code=1))
    monkeypatch.setattr("featurectl.monitor.drift.batch.range_rows", lambda *_: 70)
    ranges = rows_of(drift("--batch", "late.parquet", "-o", "json", code=1))
    assert whole.keys() == ranges.keys()
    for key, row in whole.items():
        moved = row.pop("wasserstein"), ranges[key].pop("wasserstein")
        assert row == ranges[key]
        assert moved[0] == pytest.approx(moved[1])


def test_what_was_served_is_compared_and_the_score_too(drift):
    rows = rows_of(drift("--env", "logged", "-o", "json", code=1))
    assert {key: row["state"] for key, row in rows.items()} == {
        ("feature", "half"): "drift", ("score", "score"): "drift", ("feature", "c"): "drift", ("feature", "q"): "ok",
    }  # fmt: skip
    half = rows["feature", "half"]
    assert (half["n"], half["ks"], half["outside"]) == (200, 1.0, 1.0)
    assert half["wasserstein"] == pytest.approx(32 - 10, abs=0.3)


def test_the_table_is_as_it_was(drift):
    assert_golden("monitor_drift.txt", drift("--env", "logged", code=1).out)


def test_json_is_as_it_was(drift):
    assert_golden("monitor_drift.json", drift("--env", "logged", "-o", "json", code=1).out)


def test_a_page_holds_everything_itself(drift, tmp_path):
    drift("--env", "logged", "--html", "drift.html", code=1)
    page = (tmp_path / "drift.html").read_text()
    assert not re.search(r"src=|href=|<script|@import|url\(", page)
    plots = re.findall(r"<svg.*?</svg>", page)
    assert len(plots) == 4
    for plot in plots:
        assert len(ET.fromstring(plot).findall("{http://www.w3.org/2000/svg}path")) == 3  # noqa: S314  # our own document
    assert len(page) < 20_000


def test_a_window_of_other_instants_has_too_few_rows(drift):
    printed = drift("--env", "logged", "--until", "2026-01-19T00:00:00Z")
    assert "Too few rows to judge: 100 are needed." in printed.out
    rows = rows_of(drift("--env", "logged", "--min-rows", "201", "-o", "json"))
    assert {row["state"] for row in rows.values()} == {"too few rows"}
    assert rows["feature", "half"]["note"] == "200 rows, 201 are needed"


@pytest.mark.parametrize(
    ("limits", "drifting"),
    [
        (["psi=50"], set()),
        (["psi=50", "half:ks=0.5"], {"half"}),
        (["psi=50", "wasserstein=10"], {"half"}),
        (["psi=50", "score:js=0.5", "q:outside=0.01"], {"score"}),
        (["psi=50", "outside=0.9"], {"half", "score"}),
    ],
)
def test_limits_are_of_all_features_or_of_one(drift, limits, drifting):
    words = [word for limit in limits for word in ("--limit", limit)]
    rows = rows_of(drift("--env", "logged", *words, "-o", "json", code=1 if drifting else 0))
    assert {row["feature"] for row in rows.values() if row["state"] == "drift"} == drifting


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--limit", "psi"], "--limit psi: no metric ''"),
        (["--limit", "psy=1"], "no metric 'psy'"),
        (["--limit", "psi=much"], "'much' is no limit"),
        (["--limit", "psi=-1"], "'-1' is no limit"),
        (["--limit", "psi=nan"], "'nan' is no limit"),
        (["--limit", "halv:psi=1"], 'did you mean "half"?'),
        (["--limit", "(scor):psi=1"], 'did you mean "score"?'),
        (["--limit", "half:wassersteim=1"], 'did you mean "wasserstein"?'),
        (["--min-rows", "0"], "--min-rows 0 is no number of rows"),
        (["--since", "yesterday"], "'yesterday' is not an instant"),
        (["--since", "2026-01-19T00:00:00Z", "--until", "2026-01-18T00:00:00Z"], "--since is not before --until"),
        (["--batch", "s", "--since", "2026-01-19", "--until", "2026-01-18"], "--since is not before --until"),
        (["--served", "--batch", "s"], "--served or --batch: which of them?"),
        (["--batch", "nowhere"], "neither a source nor a file"),
        (["--html", "no/such/folder.html"], "--html no/such/folder.html: no file can be written there"),
        (["--html", "."], "--html .: no file can be written there"),
        (["--html", "n" * 300], "File name too long"),
    ],
)
def test_what_makes_no_sense_is_refused(drift, words, told):
    assert told in drift("--env", "logged", *words, code=64).err


def test_an_environment_without_a_log_says_what_to_do(drift):
    printed = drift(code=64).err
    assert "environment dev has no prediction log" in printed
    assert "--batch SPINE" in printed


@pytest.mark.parametrize(("model", "told"), [("n", "no model 'n' is applied"), ("m@7", "model m has no version '7'")])
def test_a_model_that_is_none_is_named(drift, model, told):
    assert told in drift(model=model, code=64).err


@pytest.mark.parametrize(
    ("features", "name", "kind"),
    [(["x"], "score", "score"), (["score"], "score", "feature"), (["score"], "(score)", "score")],
)
def test_a_limit_of_score_is_of_the_feature_of_that_name_if_there_is_one(features, name, kind):
    limits = parse_limits([f"{name}:psi=0.5"], 100, features)
    assert [limits.of(of, "score", "psi") for of in ("feature", "score")] == [
        0.5 if of == kind else 0.2 for of in ("feature", "score")
    ]


def test_a_narrow_terminal_is_given_the_plots_and_fewer_numbers(drift, monkeypatch):
    wide = drift("--env", "logged", code=1).out
    monkeypatch.setenv("COLUMNS", "80")
    narrow = drift("--env", "logged", code=1).out.splitlines()
    assert max(map(len, narrow)) <= 80
    table = narrow[narrow.index("") + 1 :]
    assert table[0].split() == ["feature", "state", "psi", "ks", "nulls", "then", "now"]
    *drawn, left_out = table[: table.index("")]
    assert [line.split()[-2:] for line in drawn] == [line.split()[-2:] for line in wide.splitlines()[2:-2]]
    assert left_out == "(left out to fit: chance, js, outside, wasserstein)"
    monkeypatch.setenv("COLUMNS", "200")
    assert drift("--env", "logged", code=1).out == wide


@pytest.fixture
def own(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "own"))


def run_in(root, capsys, *words, code=0):
    capsys.readouterr()
    assert main([*words, "-C", str(root), "-q"]) == code
    return capsys.readouterr()


def test_files_are_read_by_their_days_where_the_clock_is_the_real_one(own):
    at = datetime.now(UTC) - timedelta(hours=1)
    write_log(own, "clock", at, [{"q": 1, "half": None}] * 120, day=f"{at:%Y-%m-%d}")
    write_log(own, "clock", at, [{"q": 1, "half": 1.0}] * 120, day="2001-01-01")
    write_log(
        own, "clock", at, [{"q": 1, "half": None}] * 30, day=f"{at:%Y-%m-%d}", name="2.parquet", error=pl.lit("no")
    )
    with open_workspace(own, "clock", None, "unread") as workspace:
        rows = served_drift(workspace, "m", at - timedelta(hours=1), at + timedelta(hours=1))
        found = {(row.kind, row.feature): row for row in rows}
        half = found["feature", "half"]
        assert (half.model, half.version, half.n, half.null_rate) == ("m", 1, 120, 1.0)
        assert (half.psi, half.ks, half.enough, half.broken) == (None, None, True, ("null_rate",))
        assert half.note == "0 values: nulls alone are judged"
        assert not any(
            row.enough for row in served_drift(workspace, "m", at - timedelta(days=9), at - timedelta(days=8))
        )
        with pytest.raises(UsageError, match="no model 'n' is applied"):
            served_drift(workspace, "n", at, NOW)


def test_what_a_server_with_another_now_has_served_is_found_by_that_now(own):
    """Its files are named by the clock: much later than what is in them."""
    write_log(own, "clock", NOW - timedelta(hours=1), [{"q": 1, "half": None}] * 120)
    for as_of, count in ((NOW, 120), (NOW + timedelta(days=9), 0)):
        with open_workspace(own, "clock", as_of, "unread") as workspace:
            rows = served_drift(workspace, "m", as_of - timedelta(days=1), as_of)
            assert {row.n for row in rows if row.kind == "score"} == {count}


def test_a_file_of_the_log_that_is_none_is_named(own):
    write_log(own, "logged", NOW, [{"q": 1, "half": 2.0}] * 10)
    bad = own / "off/shop/predictions/logged/m/v1/2026-02-03/bad.parquet"
    bad.write_bytes(b"no parquet")
    with (
        open_workspace(own, "logged", None, "unread") as workspace,
        pytest.raises(StoreError, match="the prediction log can't be read: bad"),
    ):
        served_drift(workspace, "m", NOW - timedelta(days=1), NOW + timedelta(days=1))


def test_a_profile_that_is_another_or_gone_is_refused(own, capsys):
    shown = json.loads(run_in(own, capsys, "models", "show", "m", "-o", "json").out)["result"]
    assert shown["profile"].endswith(".profile.json")
    assert shown["profile"] in run_in(own, capsys, "models", "show", "m").out
    file = own / "off" / shown["profile"]
    file.write_bytes(file.read_bytes().replace(b'"nulls":0', b'"nulls":1'))
    assert "error[FC512]" in run_in(own, capsys, "monitor", "drift", "m", "--batch", "s", code=1).err
    file.unlink()
    with open_workspace(own, "logged", None, "unread") as workspace, pytest.raises(DataError, match="is gone"):
        served_drift(workspace, "m", NOW, NOW)


@pytest.mark.long
def test_an_imported_version_has_no_profile_and_says_so(own, capsys):
    run_in(own, capsys, "models", "export", "m", "--out", str(own / "out"))
    run_in(own, capsys, "models", "import", "m", "--file", str(own / "out" / "model.txt"))
    assert "none: it was imported" in run_in(own, capsys, "models", "show", "m@2").out
    told = run_in(own, capsys, "monitor", "drift", "m@2", "--batch", "s", code=64).err
    assert "model m version 2 has no profile to compare with" in told
