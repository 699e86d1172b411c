"""Who depends on whom."""

import pytest

from featurectl.core.errors import UsageError
from featurectl.identity.lineage import Graph, Ref, build_graph
from featurectl.identity.selection import SelectableObject, select_objects
from featurectl.plan.plan import Change
from featurectl.plan.selection import candidates
from tests.language.repository import BASE, load

MODEL = """
models:
  - name: m
    spine: {source: flights, time: at}
    features: [{delays: [trend]}, {view: facts, join: {airport: origin}, features: [alt]}]
"""


def test_sources_feed_views_and_views_feed_models(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "m.yaml": MODEL})
    graph = build_graph(repo.views.values(), repo.models.values())
    delays, facts, model = Ref("feature_view", "delays"), Ref("feature_view", "facts"), Ref("model", "m")
    assert [user for user, needed in graph.needs.items() if Ref("source", "arrivals") in needed] == [delays]
    assert graph.downstream(facts) == {model}
    assert graph.downstream(Ref("entity", "carrier")) == {delays, model}
    assert graph.downstream(model) == frozenset()
    assert graph.upstream(model) == {
        delays, facts, Ref("source", "flights"), Ref("source", "arrivals"), Ref("source", "airports"),
        Ref("entity", "carrier"), Ref("entity", "airport"),
    }  # fmt: skip


def chosen(tmp_path, *terms, modified=()):
    repo = load(
        tmp_path,
        {"base.yaml": BASE.replace("source: airports,", "source: airports, tags: [core],"), "models/m.yaml": MODEL},
    )
    assert not repo.errors
    graph = build_graph(repo.views.values(), repo.models.values())
    changes = [Change(kind="metadata", object=kind, name=name) for kind, name in modified]
    found = select_objects(terms, candidates(repo, changes), graph)
    return sorted(f"{ref.kind}:{ref.name}" for ref in found)


VIEW, FACTS = "feature_view:delays", "feature_view:facts"


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (["delays"], [VIEW]),
        (["fa*"], [FACTS]),
        (["delays", "facts"], [VIEW, FACTS]),
        (["tag:core"], [FACTS]),
        (["entity:carrier"], ["entity:carrier", VIEW]),
        (["kind:model"], ["model:m"]),
        (["path:models/*"], ["model:m"]),
        (["path:models"], ["model:m"]),
        (["path:*.yaml", "m"], None),
        (["+facts"], ["entity:airport", FACTS, "source:airports"]),
        (["facts+"], [FACTS, "model:m"]),
        (["+delays+"], ["entity:carrier", VIEW, "model:m", "source:arrivals"]),
        (["a*"], ["entity:airport", "source:airports", "source:arrivals"]),
    ],
)
def test_terms_choose_objects(tmp_path, terms, names):
    found = chosen(tmp_path, *terms)
    assert found == names if names else len(found) == 8


def test_what_differs_from_the_registry_is_chosen_by_state(tmp_path):
    modified = [("source", "arrivals")]
    assert chosen(tmp_path, "state:modified", modified=modified) == ["source:arrivals"]
    assert chosen(tmp_path, "state:modified+", modified=modified) == [VIEW, "model:m", "source:arrivals"]
    assert chosen(tmp_path, "state:modified+") == []


@pytest.mark.parametrize(
    ("term", "said", "hint"),
    [
        ("delay", "--select 'delay' chooses nothing", 'did you mean "delays"?'),
        ("tag:cor", "--select 'tag:cor' chooses nothing", 'did you mean "core"?'),
        ("path:model/*", "--select 'path:model/*' chooses nothing", 'did you mean "models/m.yaml"?'),
        ("zz*", "--select 'zz*' chooses nothing", "there are: "),
        ("", "--select '' can't be read", "write one of: name, na*"),
        ("+", "--select '+' can't be read", "write one of: name, na*"),
        (
            "kind:view",
            "--select 'kind:view': no kind 'view'",
            "kind: alert, deployment, entity, feature_view, model, notifier, pipeline, source",
        ),
        ("state:new", "--select 'state:new': no state 'new'", "state: modified"),
        ("owner:x", "--select 'owner:x' can't be read", "write one of: name, na*"),
        ("tag:", "--select 'tag:' can't be read", "write one of: name, na*"),
    ],
)
def test_a_term_that_chooses_nothing_is_an_error(tmp_path, term, said, hint):
    with pytest.raises(UsageError) as caught:
        chosen(tmp_path, "delays", term)
    assert caught.value.message == said
    assert caught.value.hint.startswith(hint)


def test_what_can_be_chosen_is_listed_and_a_long_list_is_cut():
    few = [SelectableObject(ref=Ref("source", f"s{n}")) for n in range(3)]
    many = [SelectableObject(ref=Ref("source", f"s{n}")) for n in range(12)]
    for offered, hint in ((few, "there are: s0, s1, s2"), (many, "s4, s5 and 4 more"), ([], "there are none")):
        with pytest.raises(UsageError) as caught:
            select_objects(["something"], offered, Graph(needs={}))
        assert caught.value.hint.endswith(hint)
