"""A feature that was renamed with `aliases`: nothing is computed again, and both names are answered alike."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
import warnings

import pytest

import featurectl
from featurectl.cli.main import main
from featurectl.errors import UsageError
from tests.cli.renamed_shop import EVENTS, LATEST, MODEL, NAMES, RENAMED, RenamedShop
from tests.seeds import examples, seeds_from

OLD = ("payments:*", "latest:*")


@pytest.fixture(params=["sqlite", "redis"])
def shop(request, tmp_path, monkeypatch):
    if request.param == "redis":
        monkeypatch.setenv("ONLINE", request.getfixturevalue("redis_url"))
    made = RenamedShop(tmp_path, EVENTS + LATEST, project=f"p{uuid.uuid4().hex[:8]}")
    made.bring_up()
    return made


@pytest.fixture
def plain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = RenamedShop(tmp_path, EVENTS + LATEST)
    made.bring_up()
    return made


def renamed(values):
    return {NAMES.get(name, name): found for name, found in values.items()}


@pytest.mark.sample(1)
def test_a_rename_with_an_alias_moves_nothing_and_is_found_by_both_names(shop):
    before, online = shop.values(*OLD), {view: shop.online(view) for view in ("payments", "latest")}
    tables = shop.tables()
    shop.change(*RENAMED)
    changes = shop.plan()
    assert {(c["kind"], c["old_version"], c["new_version"]) for c in changes.values()} == {("metadata", 1, 1)}
    project = shop.bring_up()
    assert [(run.made.action, run.pushed.rows_sent) for run in project.materialize()] == [("nothing", 0)] * 2
    assert shop.tables() == tables
    assert shop.values(*OLD) == renamed(before)
    asked = [f"payments:{old}" for old in before if old in NAMES and old != "total"] + ["latest:total"]
    assert shop.values(*asked) == {name: before[name] for name in NAMES}
    assert {view: shop.online(view) for view in online} == {view: renamed(found) for view, found in online.items()}
    assert shop.plan() == {}
    for report in project.verify_store():
        assert sum(skew.compared for skew in report.features) > 0
        assert sum(skew.mismatched for skew in report.features) == 0


def test_a_plan_says_who_is_answered_and_who_is_not(plain):
    plain.change(RENAMED[3])
    change = plain.plan()["latest"]
    assert [(r["field"], r["old"], r["new"]) for r in change["reasons"]] == [
        ("features.double.name", "total", "double")
    ]
    assert change["notes"] == ["who asks for latest:total is answered by latest:double, with a warning"]
    plain.bring_up()
    plain.change(("{name: double, aliases: [total],", "{name: double,"))
    change = plain.plan()["latest"]
    reasons = [(r["field"], r["old"], r["new"]) for r in change["reasons"]]
    assert (change["kind"], reasons) == ("metadata", [("features.double.aliases", "total", "-")])
    assert change["notes"] == ["who asks for latest:total has to ask for latest:double"]
    tables = plain.tables()
    plain.bring_up()
    assert plain.tables() == tables
    with pytest.raises(UsageError, match="view latest has no feature 'total'"):
        plain.values("latest:total")


def test_without_an_alias_a_plan_says_that_one_would_help(plain):
    plain.change(("{name: total,", "{name: double,"))
    change = plain.plan()["latest"]
    assert change["kind"] == "removal"
    assert "`aliases` of a renamed feature keep its old name answered" in change["notes"][-1]


@pytest.mark.long
def test_a_rename_that_changes_the_feature_too_is_breaking_and_answers(plain):
    plain.change(("{name: total, expr: amount * 2}", "{name: triple, aliases: [total], expr: amount * 3}"))
    before = plain.values("latest:total")
    change = plain.plan()["latest"]
    assert (change["kind"], change["new_version"]) == ("breaking", 2)
    assert [r["field"] for r in change["reasons"]] == ["features.triple.column", "features.triple.name"]
    plain.bring_up()
    assert plain.values("latest:total")["total"] == [None if v is None else v * 1.5 for v in before["total"]]


@pytest.mark.long
def test_a_feature_that_takes_a_stored_name_is_computed_apart(plain):
    plain.change(RENAMED[3])
    plain.bring_up()
    before = plain.values("latest:double")
    plain.change(("{name: double, aliases: [total],", "{name: total, expr: amount * 5}, {name: double,"))
    change = plain.plan()["latest"]
    assert (change["kind"], change["new_version"]) == ("breaking", 2)
    assert "stored under the name total, which another feature gets" in " ".join(change["notes"])
    plain.bring_up()
    now = plain.values("latest:double", "latest:total")
    assert now["double"] == before["double"]
    assert now["total"] == [None if v is None else v * 2.5 for v in before["double"]]


@pytest.mark.long
def test_a_saved_plan_renames_and_holds_no_name_that_is_none(plain, capsys):
    plain.change(RENAMED[3])
    assert main(["plan", "--out", "p.json", "-q"]) == 0
    assert main(["apply", "p.json", "--auto-approve", "-q"]) == 0
    assert plain.plan() == {}
    assert plain.values("latest:double")["double"] == plain.values("latest:total")["total"]
    plain.change(("aliases: [total]", "aliases: [total, sum]"))
    assert main(["plan", "--out", "p.json", "-q"]) == 0
    saved = json.loads((plain.root / "p.json").read_text())
    text = json.dumps(saved["plan"]).replace('"sum"', '"no name"')
    digest = hashlib.sha256(json.dumps(json.loads(text), ensure_ascii=False).encode()).hexdigest()
    (plain.root / "p.json").write_text(json.dumps({**saved, "plan": json.loads(text), "sha256": digest}))
    capsys.readouterr()
    assert main(["apply", "p.json", "--auto-approve", "-q"]) == 64
    assert "has a definition that is none, of feature_view 'latest'" in capsys.readouterr().err


@pytest.mark.long
def test_models_go_on_under_the_names_that_they_were_trained_with(plain, capsys):
    plain.change(("    features: [{name: total", "    features: [{name: total"))
    plain.write(EVENTS + LATEST + MODEL)
    project = plain.bring_up()
    project.train("m")
    before = project.score("m").rows
    plain.change(*RENAMED)
    changes = plain.plan()
    assert {name: change["kind"] for name, change in changes.items()} == {"payments": "metadata", "latest": "metadata"}
    capsys.readouterr()
    assert main(["validate"]) == 0
    assert capsys.readouterr().err.count("warning[FC354]") == 3
    project = plain.bring_up()
    assert project.score("m").rows.equals(before)
    assert [(v.model, v.version) for v in project.models.list(uses="payments:paid_7d")] == [("m", 1)]
    assert project.models.list(uses="payments:spend_7d") == project.models.list(uses="payments:paid_7d")
    shown = project.show("payments:paid_7d")
    assert shown.summary.used_by == ("m",)
    assert shown.statistics["paid_7d"].feature == "payments:paid_7d"
    again = project.train("m")
    assert [item.name for item in again.inputs] == ["spend_7d", "ratio", "total"]
    assert [item.fingerprint for item in again.inputs] == [
        item.fingerprint for item in project.models.show("m@1").inputs
    ]


@pytest.mark.long
def test_a_model_of_the_new_names_is_trained_again_under_them(plain):
    plain.write(EVENTS + LATEST + MODEL)
    project = plain.bring_up()
    project.train("m")
    plain.change(*RENAMED, ("[spend_7d, ratio]", "[paid_7d, share]"), ('"latest:total"', '"latest:double"'))
    assert plain.plan()["m"]["kind"] == "retrain"
    project = plain.bring_up()
    assert [item.name for item in project.train("m").inputs] == ["paid_7d", "share", "double"]


TESTS = """
tests:
  - name: sums
    view: payments
    rows: [{user: 1, at: 2026-01-01T00:00:00Z, amount: 6, shop: a}]
    spine: [{user: 1, time: 2026-01-02T00:00:00Z}]
    expect: [{spend_7d: 6.0, ratio: 6.0}]
  - name: inputs
    model: m
    rows: [{user: 1, at: 2026-01-01T00:00:00Z, amount: 6, shop: a}]
    spine: [{user: 1, at: 2026-01-02T00:00:00Z, amount: 1, shop: a}]
    expect: [{p_spend_7d: 6.0}]
"""


@pytest.mark.long
def test_feature_tests_may_expect_the_old_names(plain, capsys):
    model = MODEL.replace("{payments: [spend_7d, ratio]}", '{view: payments, features: "*", prefix: p_}')
    plain.write(EVENTS + LATEST + model + TESTS)
    assert main(["test", "-q"]) == 0
    plain.change(*RENAMED)
    capsys.readouterr()
    assert main(["test", "-q"]) == 0
    assert main(["validate"]) == 0
    shown = capsys.readouterr().err
    assert shown.count("warning[FC354]") == 4
    assert '"p_spend_7d" is an old name of "p_paid_7d"' in shown
    plain.change(("expect: [{spend_7d: 6.0,", "expect: [{spend_7d: 7.0,"))
    assert main(["test", "-q"]) == 1


@pytest.mark.long
def test_a_manifest_is_made_again_whatever_was_renamed_since(plain, capsys):
    plain.change(*RENAMED)
    plain.bring_up()
    asked = "payments:spend_7d,payments:share,latest:*"
    made = ("training-set", "--features", asked, "--keys-from", "payments", "--at", "2026-01-07", "--out", "a.csv")
    capsys.readouterr()
    assert main([*made]) == 0
    assert "warning: payments:spend_7d is called payments:paid_7d now" in capsys.readouterr().err
    (head, *_) = (plain.root / "a.csv").read_text().splitlines()
    assert head == "user,event_time,spend_7d,share,double,place"
    plain.change(("{name: paid, aliases: [spend],", "{name: gone, aliases: [paid],"), ("paid_7d / l", "gone_7d / l"))
    plain.bring_up()
    assert main(["training-set", "--from-manifest", "a.csv.manifest.json", "--out", "b.csv", "-q"]) == 0
    assert (plain.root / "a.csv").read_bytes() == (plain.root / "b.csv").read_bytes()


def test_a_client_and_a_notebook_are_warned(plain):
    plain.change(*RENAMED)
    project = plain.bring_up()
    said = "payments:spend_7d is called payments:paid_7d now"
    with featurectl.open_client(plain.root) as client, pytest.warns(FutureWarning, match=said) as of_client:
        old = client.get(["payments:spend_7d"], {"user": [1, 2]}).values()
    with featurectl.open_client(plain.root) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert client.get(["payments:paid_7d"], {"user": [1, 2]}).values() == {"paid_7d": old["spend_7d"]}
    spine = featurectl.open_project(plain.root).training_set
    with pytest.warns(FutureWarning, match=said) as of_project:
        spine(features="payments:spend_7d", keys_from="payments", at="2026-01-07")
    assert {found.filename for found in (*of_client, *of_project)} == {__file__}
    assert project.get("payments", {"user": 1})["paid_7d"] == old["spend_7d"][0]


def test_what_is_applied_is_shown_by_its_name_of_now(plain, capsys):
    plain.change(*RENAMED)
    plain.bring_up()
    capsys.readouterr()
    words = (
        ("list", "features"),
        ("show", "payments"),
        ("show", "payments:share"),
        ("why", "payments", "user=1"),
        ("get", "payments", "user=1"),
        ("get", "payments", "user=1", "--offline"),
        ("verify", "--store", "-v"),
        ("lineage", "payments:paid_7d"),
    )
    for argv in words:
        assert main([*argv, "-q"]) == 0, argv
        shown = capsys.readouterr().out.replace("aliases  ratio", "")
        assert ("paid_7d" in shown, [old for old in NAMES if f"{old} " in shown]) == (True, []), (argv, shown)
    assert main(["show", "payments:spend_7d"]) == 0
    assert "warning: payments:spend_7d is called payments:paid_7d now" in capsys.readouterr().err
    assert main(["search", "spend", "-q", "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]["hits"]
    assert [(hit["name"], hit["found_in"]) for hit in found] == [
        ("payments:paid_7d", ["aliases"]),
        ("payments:paid_1d", ["aliases"]),
    ]


@pytest.mark.long
def test_why_names_values_as_they_are_called_now_without_an_online_store(plain, tmp_path, capsys):
    plain.change(*RENAMED)
    plain.bring_up()
    for path in tmp_path.glob("on.db*"):
        path.unlink()
    (tmp_path / "on.db").write_bytes(b"no database" * 100)
    capsys.readouterr()
    main(["why", "payments", "user=1", "-q", "-o", "json"])
    values = json.dumps(json.loads(capsys.readouterr().out)["result"]["entity"])
    assert ("paid_7d" in values, "spend_7d" in values) == (True, False)


@pytest.mark.long
def test_a_model_goes_where_its_features_were_never_called_otherwise(plain):
    plain.write(EVENTS + LATEST + MODEL)
    project = plain.bring_up()
    project.train("m")
    plain.change(*RENAMED)
    plain.bring_up()
    plain.bring_up("prod")
    assert main(["models", "promote", "m@1", "--to", "prod", "-q"]) == 0
    there = plain.project("prod")
    version = there.models.show("m@1")
    assert [(item.name, item.feature) for item in version.inputs] == [
        ("spend_7d", "paid_7d"), ("ratio", "share"), ("total", "double")
    ]  # fmt: skip
    assert there.score("m").rows.drop("model_version").equals(project.score("m").rows.drop("model_version"))


FORMULAS = ("amount", "amount * 2", "amount - 3", "case when shop = 's1' then amount end")


def draw(random_, features):
    """Return features one step later: (name, formula, aliases, whether a derived one reads it) each."""
    at = random_.randrange(len(features))
    name, formula, aliases = features[at]
    taken = {other for one in features for other in (one[0], *one[2])}
    step = random_.choice(["rename", "rename", "rename", "back", "forget"])
    if step == "back" and aliases:
        new = aliases[0], formula, (name, *aliases[1:])
    elif step == "forget":
        new = name, formula, aliases[1:]
    else:
        fresh = next(letter for letter in random_.sample("abcdefghijklmnopq", 17) if f"f_{letter}" not in taken)
        new = f"f_{fresh}", formula, (*aliases, name)
    return [*features[:at], new, *features[at + 1 :]]


def state_view(features):
    """Return a view of features, and one that is derived from the first two."""
    lines = [
        f'      - {{name: {n}, expr: "{f}"{", aliases: [" + ", ".join(a) + "]" if a else ""}}}' for n, f, a in features
    ]
    first, second = features[0][0], features[1][0]
    derived = f"    derived: [{{name: both, expr: '{first} + coalesce({second}, 0)'}}]\n"
    return "\n".join(["  - name: v\n    entity: user\n    source: orders\n    features:", *lines]) + "\n" + derived


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds_from(0, examples(2, 12)))
def test_any_renames_give_what_is_computed_anew_and_compute_nothing(seed, tmp_path):
    random_ = random.Random(seed)
    features = [(f"x{at}", formula, ()) for at, formula in enumerate(FORMULAS)]
    shop = RenamedShop(tmp_path / "kept", state_view(features))
    shop.bring_up()
    tables = shop.tables()
    for step in range(4):
        features = draw(random_, features)
        shop.write(state_view(features))
        shop.bring_up()
        assert shop.tables() == tables
        anew = RenamedShop(tmp_path / f"anew{step}", state_view([(n, f, ()) for n, f, _ in features]))
        anew.bring_up()
        wanted = anew.values("v:*")
        assert shop.values("v:*") == wanted
        assert shop.online("v") == anew.online("v")
        for name, _, aliases in features:
            for alias in aliases:
                assert shop.values(f"v:{alias}") == {alias: wanted[name]}


@pytest.mark.parametrize("offline", [False, True])
def test_get_answers_under_the_name_that_was_asked_for_with_a_warning(plain, capsys, offline):
    plain.change(RENAMED[3])
    project = plain.bring_up()
    capsys.readouterr()
    words = ["get", "latest:total,place", "user=1", *(["--offline"] if offline else [])]
    assert main([*words, "-o", "json"]) == 0
    said = capsys.readouterr()
    result = json.loads(said.out)["result"]
    warning = "latest:total is called latest:double now"
    assert ([*result["features"]], result["warnings"]) == (["total", "place"], [warning])
    assert f"warning: {warning}" in said.err
    with pytest.warns(FutureWarning, match=warning) as found:
        values = project.get("latest:total", {"user": 1}, offline=offline)
    assert found[0].filename == __file__
    assert values["total"] == result["features"]["total"]["value"]
    assert main(["get", "latest:double", "user=1", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["warnings"] == []
