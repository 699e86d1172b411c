"""A `refresh` that can't meet the SLA of its view, in every combination."""

from __future__ import annotations

from itertools import product

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


def test_the_graver_bound_that_can_t_be_met_is_told_once(tmp_path):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "o.yaml").write_text(OBJECTS + "".join(view(n, *case) for n, case in enumerate(CASES)))
    found = [(p.code, p.severity, p.message) for p in load_repo(tmp_path, None).problems]
    assert found == [("FC353", "warning", text) for case in CASES if (text := told(*case))]
    assert len(found) == 14
