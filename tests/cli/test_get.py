"""`push` fills the online store; `get` shows what lies in it."""

import json
import shutil

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.operations.entity_values import parse_entity
from tests.catalog.shop import make_shop
from tests.cli.shop import apply_shop, fill_shop, materialize_shop, write_shop


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = fill_shop(tmp_path_factory.mktemp("shop"))
    assert main(["push", "-C", str(root), "-q"]) == 0
    return root


@pytest.fixture
def shop(made, tmp_path, monkeypatch):
    """A copy of the pushed repository, as the current folder."""
    root = shutil.copytree(made, tmp_path / "shop")
    monkeypatch.chdir(root)
    return root


def run(capsys, *words, exit_code=0):
    capsys.readouterr()
    assert main([*words, "-q", "-o", "json"]) == exit_code
    return json.loads(capsys.readouterr().out)["result"]


@pytest.mark.usefixtures("shop")
def test_push_says_what_it_sent(capsys):
    views = run(capsys, "push")["views"]
    assert [(v["view"], v["version"], v["rows_sent"], v["entities"]) for v in views] == [
        ("last_order", 1, 0, 3),
        ("spend", 1, 0, 1),
    ]
    assert {v["computed_at"] for v in views} == {"2026-01-08T00:00:00Z"}


@pytest.mark.usefixtures("shop")
def test_push_draws_a_table(capsys):
    assert main(["push", "spend"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "view   version  rows sent  new  online keys  computed",
        "spend  1        0          0    1            2026-01-08 00:00",
    ]


def test_a_dry_run_says_what_would_be_sent_at_most_and_writes_nothing(tmp_path, monkeypatch, capsys):
    root = fill_shop(tmp_path)
    monkeypatch.chdir(root)
    before = sorted(path for path in root.rglob("*") if path.is_file())
    planned = run(capsys, "push", "--dry-run")["views"]
    assert sorted(path for path in root.rglob("*") if path.is_file()) == before
    counts = ("rows_at_most", "entities", "entities_at_most", "computed_at")
    assert [(v["view"], *(v[name] for name in counts)) for v in planned] == [
        ("last_order", 3, 0, 3, None),
        ("spend", 1, 0, 1, None),
    ]
    pushed = run(capsys, "push")["views"]
    assert [v["rows_sent"] for v in pushed] == [v["rows_at_most"] for v in planned]
    assert main(["push", "--dry-run", "last_order"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "view        version  rows at most  online keys  at most then  computed",
        "last_order  1        0             3            3             2026-01-08 00:00",
    ]


def test_windows_with_a_hop_reach_back_further_and_are_pushed_and_read(shop, capsys):
    hopping = """
  - name: hopping
    entity: customer
    source: orders
    hop: 6h
    aggregates:
      - {op: count, windows: [36h]}
      - {column: amount, op: approx_count_distinct, windows: [36h], offset: 1h}
"""
    views = (shop / "views.yaml").read_text()
    (shop / "views.yaml").write_text(views.replace("  - name: last_order", f"{hopping[1:]}  - name: last_order"))
    assert main(["plan", "-v"]) == 0
    rule = (
        "all rows with floor(t - window, 6h) <= event_time < t and known from ordered_at on; windows 36h, 36h ending 1h"
    )
    assert f"  hopping     {rule} ago, each less than 6h longer" in capsys.readouterr().out.splitlines()
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "hopping", "-q", "--as-of", "2026-01-08T03:59:00Z"]) == 0
    found = run(capsys, "get", "hopping", "customer=ana", "--as-of", "2026-01-08T03:59:00Z")
    # 36 h back is 15:59 on the 6th, floored 12:00: after the order at 10:00; an hour earlier 14:59, floored 12:00.
    assert [value["value"] for value in found["features"].values()] == [1, 1]
    assert main(["push", "hopping", "-q", "--as-of", "2026-01-08T23:00:00Z"]) == 0
    found = run(capsys, "get", "hopping", "customer=ana", "--as-of", "2026-01-08T23:00:00Z")
    # 11:00 on the 7th floored is 06:00, and 10:00 too: the order at 10:00 counts, though it is 37 hours ago.
    assert [value["value"] for value in found["features"].values()] == [1, 1]


@pytest.mark.usefixtures("shop")
def test_windows_are_true_as_of_the_last_push(capsys):
    views = run(capsys, "push", "spend", "--as-of", "2026-01-08T00:00:01Z")["views"]
    assert [(v["rows_sent"], v["computed_at"]) for v in views] == [(1, "2026-01-08T00:00:01Z")]
    found = run(capsys, "get", "spend", "customer=ana", "--as-of", "2026-01-08T00:00:02Z")
    assert (found["as_of"], found["read_at"]) == ("2026-01-08T00:00:01Z", "2026-01-08T00:00:02Z")


@pytest.mark.usefixtures("shop")
def test_get_draws_values_status_and_age(capsys):
    assert main(["get", "last_order", "customer=ana", "day=2026-01-07"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "last_order@1 customer=ana day=2026-01-07 online",
        "last event 2026-01-07 10:00, age 14 h, computed 2026-01-08 00:00",
        "",
        "feature  value  status",
        "amount   1.5    PRESENT",
    ]


@pytest.mark.usefixtures("shop")
def test_an_expired_state_shows_its_default_and_why(capsys):
    result = run(capsys, "get", "last_order@1", "day=2026-01-01", "customer=ben")
    assert result["features"] == {"amount": {"value": 0.0, "status": "EXPIRED", "defaulted": True}}
    assert (result["event_time"], result["age_seconds"]) == ("2025-12-31T23:00:00Z", 7 * 86_400 + 3_600)
    assert result["entity"] == {"day": "2026-01-01", "customer": "ben"}


@pytest.mark.parametrize("words", [["last_order", "customer=ana", "day=2026-01-06"], ["spend", "customer=cid"]])
@pytest.mark.usefixtures("shop")
def test_offline_and_online_show_the_same_values(capsys, words):
    online, offline = run(capsys, "get", *words), run(capsys, "get", *words, "--offline")
    assert (online.pop("origin"), offline.pop("origin")) == ("online", "offline")
    assert online == offline


@pytest.mark.usefixtures("shop")
def test_offline_looks_at_any_instant(capsys):
    result = run(capsys, "get", "spend", "customer=ana", "--offline", "--as-of", "2026-01-07T00:00:00Z")
    assert {name: found["value"] for name, found in result["features"].items()} == {
        "count_7d": 1,
        "amount_sum_7d": 10.5,
        "mean": 10.5,
    }


@pytest.mark.usefixtures("shop")
def test_an_unknown_entity_is_an_answer(capsys):
    features = run(capsys, "get", "spend", "customer=zoe")["features"]
    assert features["count_7d"] == {"value": 0, "status": "NOT_FOUND", "defaulted": False}
    assert features["mean"] == {"value": None, "status": "NOT_FOUND", "defaulted": False}


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (["get", "spent", "customer=ana"], 64, "no feature view 'spent' is applied"),
        (["get", "spend@9", "customer=ana"], 64, "no feature view 'spend@9' is applied"),
        (["get", "spend@x", "customer=ana"], 64, "'spend@x' names no version"),
        (["get", "spend@" + "9" * 5_000, "customer=ana"], 64, "names no version"),
        (["get", "spend", "customer=\udcff"], 64, "key customer: '\\udcff' is no string"),
        (["get", "spend"], 64, "key customer is missing"),
        (["get", "history", "customer=ana"], 64, "view history is offline only"),
        (["push", "history"], 64, "view history is offline only"),
        (["push", "spent"], 64, "no feature view 'spent' is applied"),
        (["get", "spend", "customer=ana", "--env", "gone"], 69, "redis://127.0.0.1:1/0 can't be reached"),
        (["push", "--env", "gone"], 69, "redis://127.0.0.1:1/0 can't be reached"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_can_not_be_done_says_why(capsys, words, exit_code, message):
    assert main([*words, "-q"]) == exit_code
    assert message in capsys.readouterr().err


def test_before_materialize_and_before_push_the_next_command_is_named(tmp_path, capsys):
    root = write_shop(tmp_path)
    apply_shop(root)
    for command in (["push"], ["get", "spend", "customer=ana"]):
        assert main([*command, "-C", str(root), "-q"]) == 1
        assert "featurectl materialize" in capsys.readouterr().err
    materialize_shop(root)
    assert main(["get", "spend", "customer=ana", "-C", str(root), "-q"]) == 1
    assert "spend@1 was never pushed" in capsys.readouterr().err


KEYS = {"name": "string", "n": "int64", "yes": "bool", "day": "date"}
WORDS = {"name": "name=a=b", "n": "n=-7", "yes": "yes=true", "day": "day=1969-12-31"}


def test_key_values_are_read_by_the_types_of_the_keys_in_any_order():
    assert parse_entity(KEYS, list(reversed(WORDS.values()))) == {"name": "a=b", "n": -7, "yes": True, "day": -1}


@pytest.mark.parametrize("text", ["1_000", " 1", "1 ", "+1", "01", "-", "", "1e3", "0x1", "\u0661", "--1", "9" * 5_000])
def test_an_integer_key_is_written_as_json_writes_it(text):
    with pytest.raises(UsageError, match="is no int64"):
        parse_entity({"n": "int64"}, [f"n={text}"])


@pytest.mark.parametrize("number", [0, -1, 1_000, 2**63 - 1, -(2**63)])
def test_every_integer_of_64_bits_is_a_key(number):
    assert parse_entity({"n": "int64"}, [f"n={number}"]) == {"n": number}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": "n=1.5"}, "key n: '1.5' is no int64"),
        ({"n": f"n={2**63}"}, "key n: '9223372036854775808' is no int64"),
        ({"yes": "yes=1"}, "key yes: '1' is no bool"),
        ({"day": "day=2026-02-30"}, "key day: '2026-02-30' is no date"),
        ({"n": "m=1"}, "no key 'm'"),
        ({"n": "seven"}, "'seven' is not KEY=VALUE"),
        ({"n": "name=b"}, "key name is given twice"),
    ],
)
def test_a_key_that_can_not_be_read_is_named(change, message):
    with pytest.raises(UsageError, match=message):
        parse_entity(KEYS, list({**WORDS, **change}.values()))


def test_a_missing_key_is_named_beside_what_is_wanted():
    with pytest.raises(UsageError, match="key day is missing") as caught:
        parse_entity(KEYS, [WORDS["name"], WORDS["n"], WORDS["yes"]])
    assert caught.value.hint == "keys: name=STRING n=INT64 yes=BOOL day=DATE"


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("offline", [[], ["--offline"]])
def test_some_features_of_a_view_are_shown_alone(capsys, offline):
    for words in (["spend:mean,count_7d"], ["spend:mean", "spend:count_7d"]):
        result = run(capsys, "get", *words, "customer=ana", *offline)
        assert {name: found["value"] for name, found in result["features"].items()} == {"mean": 6.0, "count_7d": 2}
    assert list(run(capsys, "get", "spend@1:mean", "customer=ana", *offline)["features"]) == ["mean"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["spend:count7d", "customer=ana"], "view spend has no feature 'count7d'", 'did you mean "count_7d"?'),
        (["spend:zz", "customer=ana"], "view spend has no feature 'zz'", "features: count_7d, amount_sum_7d, mean"),
        (["spend:mean", "last_order:amount", "customer=ana"], "last_order:amount: get reads one view at a time",
         "featurectl get last_order:amount KEY=VALUE"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("shop")
def test_a_feature_that_is_none_of_the_view_says_what_to_type(capsys, words, message, hint):
    for offline in ([], ["--offline"]):
        assert main(["get", *words, *offline]) == 64
        assert capsys.readouterr().err == f"error: {message}\n  = {hint}\n"


@pytest.mark.usefixtures("shop")
def test_a_key_may_hold_a_colon(capsys):
    assert run(capsys, "get", "spend", "customer=a:b")["entity"] == {"customer": "a:b"}


def test_what_is_older_than_its_sla_is_marked_stale_as_over_http(tmp_path, monkeypatch, capsys):
    make_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    features = run(capsys, "get", "spend:count_7d", "customer=c1")["features"]
    assert features["count_7d"]["stale"] is True
    assert main(["get", "spend:count_7d", "customer=c1", "-q"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("PRESENT, stale")
    without = run(capsys, "get", "last_order", "customer=c1", "day=2026-01-01")["features"]  # has no SLA
    assert all("stale" not in item for item in without.values())
