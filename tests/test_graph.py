"""Who depends on whom."""

from featurectl.graph import Ref, build_graph
from tests.spec.repository import BASE, load

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
    assert graph.used_by(Ref("source", "arrivals")) == (delays,)
    assert graph.used_by(facts) == (model,)
    assert graph.downstream(Ref("entity", "carrier")) == {delays, model}
    assert graph.downstream(model) == frozenset()
    assert graph.upstream(model) == {
        delays, facts, Ref("source", "flights"), Ref("source", "arrivals"), Ref("source", "airports"),
        Ref("entity", "carrier"), Ref("entity", "airport"),
    }  # fmt: skip
