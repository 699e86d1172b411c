"""What is applied, an object a row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from featurectl.catalog.listing import ListRequest, list_objects
from featurectl.catalog.objects import CATALOG_KINDS, SEVERAL, CatalogKind
from featurectl.catalog.summaries import ObjectSummary
from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from featurectl.workspace.open import open_workspace

pytestmark = pytest.mark.usefixtures("shop")

DAY_US = 86_400_000_000
ALL = {
    "spend", "last_order", "history", "big", "orders", "customer", "customer_day", "nightly", "inference", "old_spend",
    "ops",
}  # fmt: skip


def listed(root: Path, *kinds: CatalogKind, select: tuple[str, ...] = ()) -> dict[str, ObjectSummary]:
    """Return what is listed, by name."""
    request = ListRequest(kinds=kinds, select=select) if kinds else ListRequest(select=select)
    with open_workspace(root, None, None, "project file") as workspace:
        found = list_objects(workspace, request)
    assert len({(item.kind, item.name) for item in found}) == len(found)
    return {item.name: item for item in found}


def test_every_applied_object_is_listed_once_with_what_it_says(shop):
    found = listed(shop)
    assert {item.kind for item in found.values()} == set(CATALOG_KINDS) - {"feature"}
    spend, orders = found["spend"], found["orders"]
    assert (spend.version, spend.entity, spend.size, spend.used_by) == (2, "customer", 7, ("big",))
    assert (spend.owner, spend.tags, spend.description) == ("growth@example.com", ("money",), "What a customer spends.")
    assert spend.freshness is not None
    assert (spend.freshness.warn_after_us, spend.freshness.error_after_us) == (DAY_US, 2 * DAY_US)
    assert orders.used_by == ("history", "last_order", "spend", "big")
    assert (found["big"].version, found["big"].size) == (1, 3)
    assert found["customer"].used_by == ("history", "spend")
    assert found["ops"].used_by == ("old_spend", "nightly")
    assert "secret" not in found["ops"].definition


@pytest.mark.parametrize(
    ("name", "definition", "used_by"),
    [
        ("spend:count_7d", "count of rows over 7d", ("big",)),
        ("spend:amount_sum_7d", "sum of amount over 7d", ("big",)),  # by per_order, which is derived from it
        ("spend:amount_mean_lifetime", "mean of amount over all time", ()),
        ("spend:high_3d_offset_1d", "percentile 0.9 of amount where status = 'paid' over 3d, until 1d before", ()),
        ("spend:per_order", "amount_sum_7d / count_7d", ("big",)),
        ("last_order:at", "latest ordered_at", ()),
        ("history:amount", "latest amount", ("big",)),
    ],
)
def test_a_feature_says_in_words_what_it_is_and_who_reads_it(shop, name, definition, used_by):
    item = listed(shop, "feature")[name]
    assert (item.definition, item.used_by) == (definition, used_by)


@pytest.mark.parametrize(
    ("term", "names"),
    [
        ("spend", {"spend"}),
        ("tag:money", {"spend", "nightly"}),
        ("tag:people", {"customer"}),
        ("entity:customer", {"customer", "spend", "history"}),
        ("kind:model", {"big"}),
        ("+spend", {"spend", "orders", "customer"}),
        ("history+", {"history", "big", "nightly"}),
        ("path:objects.yaml", ALL),
    ],
)
def test_select_chooses_as_it_does_elsewhere(capsys, term, names):
    assert main(["list", "--select", term, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]["objects"]
    assert {item["name"] for item in found} == names


def test_features_are_those_of_chosen_views(shop):
    assert set(listed(shop, "feature", select=("history",))) == {"history:amount"}


def test_a_term_that_chooses_nothing_is_an_error(shop):
    with pytest.raises(UsageError, match="chooses nothing"):
        listed(shop, select=("spent",))


def test_kinds_are_named_by_one_and_by_several(capsys):
    for kind, several in SEVERAL.items():
        texts = []
        for word in (kind, several):
            assert main(["list", word]) == 0
            texts.append(capsys.readouterr().out)
        assert texts[0] == texts[1]


def test_an_unknown_kind_is_an_error_with_the_nearest(capsys):
    assert main(["list", "viws"]) == 64
    assert 'did you mean "view' in capsys.readouterr().err


def test_nothing_applied_is_an_error_not_an_empty_list(tmp_path_factory, capsys):
    tmp_path = tmp_path_factory.mktemp("nothing")
    (tmp_path / "featurectl.yaml").write_text(
        'project: p\nenvironments:\n  dev: {registry: "sqlite:///r.db", offline: o, online: "sqlite:///n.db"}\n'
    )
    for words in (["list"], ["show", "x"], ["search", "x"], ["lineage"]):
        assert main([*words, "-C", str(tmp_path)]) == 1
        assert "nothing is applied" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["featurectl.yaml"]


def test_a_broken_file_beside_the_project_hinders_nobody_from_looking(shop, capsys):
    (shop / "broken.yaml").write_text("feature_views: [")
    assert main(["list"]) == 0
    assert "spend" in capsys.readouterr().out


def test_states_are_those_of_status_and_are_looked_at_when_asked_for(shop, capsys):
    now = ["--as-of", "2026-01-13T08:00:00Z"]
    assert main(["status", "-o", "json", *now]) == 1
    rows = json.loads(capsys.readouterr().out)["result"]["rows"]
    states = {(row["kind"], row["name"], row["version"]): (row["state"], row["age_seconds"]) for row in rows}
    assert main(["list", "--state", "-o", "json", *now]) == 0
    found = json.loads(capsys.readouterr().out)["result"]["objects"]
    seen = {(o["kind"], o["name"], o["version"]): (o["state"], o["age_seconds"]) for o in found if o["state"]}
    assert len(seen) == 4
    assert seen == {name: states[name] for name in seen}
    assert main(["show", "spend:count_7d", "--state", *now]) == 0
    assert f"state        {states['view', 'spend', 2][0]}, 13 h old" in capsys.readouterr().out
    assert all(item.state is None for item in listed(shop).values())


def test_a_feature_with_its_own_sla_has_the_state_that_status_gives_it(shop, capsys):
    tighter = "{op: count, windows: [7d], freshness: {error_after: 1h}, description: How many orders.}"
    text = (shop / "objects.yaml").read_text()
    (shop / "objects.yaml").write_text(
        text.replace("{op: count, windows: [7d], description: How many orders.}", tighter)
    )
    assert main(["apply", "--auto-approve", "-q"]) == 0
    now = ["--as-of", "2026-01-13T08:00:00Z", "-o", "json"]
    capsys.readouterr()
    assert main(["status", *now]) == 1
    rows = json.loads(capsys.readouterr().out)["result"]["rows"]
    states = {(row["kind"], row["name"], row["version"]): row["state"] for row in rows}
    assert main(["list", "features", "--state", *now]) == 0
    found = {o["name"]: o["state"] for o in json.loads(capsys.readouterr().out)["result"]["objects"]}
    assert found["spend:count_7d"] == states["feature", "spend:count_7d", 2] == "STALE"
    assert found["spend:per_order"] == states["view", "spend", 2] == "OK"


@pytest.mark.usefixtures("shop")
def test_what_may_be_a_secret_of_an_address_is_shown_nowhere(capsys):
    for words in (["show", "ops"], ["list", "notifiers"], ["search", "ops"]):
        for form in ("text", "json"):
            assert main([*words, "-o", form]) == 0
            text = capsys.readouterr().out
            assert ("https://hooks.slack.com/..." in text, "secret" in text) == (True, False)
