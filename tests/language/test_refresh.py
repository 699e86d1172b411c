"""A `refresh` that can't meet the SLA of its view, in every combination."""

from __future__ import annotations

from itertools import product

from featurectl.core.units import HOUR_US
from featurectl.language.definitions.about import Freshness
from featurectl.language.definitions.json_form import dump_definition, load_view
from featurectl.language.load import load_repo

PROJECT = "project: shop\nenvironments: {dev: {registry: 'sqlite:///r.db', offline: off, online: 'sqlite:///o.db'}}\n"
OBJECTS = """
entities: [{name: k, keys: {k: string}}]
sources: [{name: s, path: s.csv, event_time: at, columns: {k: string, at: timestamp, v: float64}}]
feature_views:
"""
HOURS = (None, 1, 6, 24)
CASES = [c for c in product(HOURS, HOURS, HOURS) if c[0] is None or c[1] is None or c[0] <= c[1]]


def view(number: int, warn: int | None, error: int | None, refresh: int | None) -> str:
    bounds = ", ".join(f"{key}: {n}h" for key, n in (("warn_after", warn), ("error_after", error)) if n)
    more = (f", freshness: {{{bounds}}}" if bounds else "") + (f", refresh: {refresh}h" if refresh else "")
    return f"  - {{name: v{number}, entity: k, source: s, features: [v]{more}}}\n"


def told(warn: int | None, error: int | None, refresh: int | None) -> str:
    """What is said of a view, told plainly; "" when nothing is."""
    for key, bound in (("error_after", error), ("warn_after", warn)):
        if bound and refresh and refresh > bound:
            return f"refresh {refresh}h can't meet {key} {bound}h".replace("24h", "1d")
    return ""


def features(number: int, warn: int | None, error: int | None, refresh: int | None) -> str:
    """Return a view whose feature has the SLA, and one whose aggregate and derived feature have it."""
    bounds = ", ".join(f"{key}: {n}h" for key, n in (("warn_after", warn), ("error_after", error)) if n)
    own, more = f", freshness: {{{bounds}}}" if bounds else "", f", refresh: {refresh}h" if refresh else ""
    return (
        f"  - {{name: v{number}, entity: k, source: s, features: [{{name: v{own}}}]{more}}}\n"
        f"  - {{name: w{number}, entity: k, source: s, aggregates: [{{op: count, windows: [1d]{own}}}], "
        f"derived: [{{name: d, expr: count_1d + 1{own}}}]{more}}}\n"
    )


def test_a_feature_s_own_bound_that_can_t_be_met_is_told_of_it(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS + "".join(features(n, *case) for n, case in enumerate(CASES)))
    found = [p.message for p in load_repo(tmp_path, None).problems]
    parts = ('feature "v"', "aggregate count", 'derived feature "d"')
    texts = [text for case in CASES if (text := told(*case))]
    assert [text.partition(" of ")[0] for text in found] == [text for text in texts for _ in parts]
    assert all(" of " in text for text in found)


def test_an_own_sla_is_that_of_each_feature_that_an_aggregate_makes(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    text = OBJECTS + (
        "  - name: w\n    entity: k\n    source: s\n    freshness: {error_after: 1d}\n    aggregates:\n"
        "      - {op: [sum, max], column: v, windows: [1d, 7d], freshness: {warn_after: 1h, error_after: 2h}}\n"
        "      - {op: count, windows: [1d], freshness: {}}\n      - {op: mean, column: v, windows: [1d]}\n"
    )
    (tmp_path / "o.yaml").write_text(text)
    repo = load_repo(tmp_path, None)
    assert repo.problems == ()
    own, view = Freshness(warn_after_us=HOUR_US, error_after_us=2 * HOUR_US), repo.views["w"]
    of_sums = dict.fromkeys(["v_sum_1d", "v_sum_7d", "v_max_1d", "v_max_7d"], own)
    assert dict(view.own_freshness) == of_sums | {"count_1d": Freshness()}
    assert load_view(dump_definition(view)).own_freshness == view.own_freshness


def test_the_graver_bound_that_can_t_be_met_is_told_once(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS + "".join(view(n, *case) for n, case in enumerate(CASES)))
    found = [(p.code, p.severity, p.message) for p in load_repo(tmp_path, None).problems]
    assert found == [("FC353", "warning", text) for case in CASES if (text := told(*case))]
    assert len(found) == 14
