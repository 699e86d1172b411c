"""An alias of an aggregate is what stood before the window."""

from __future__ import annotations

import pytest

from featurectl.language.load import load_repo

FILES = """
entities: [{name: user, keys: {user: string}}]
sources: [{name: orders, path: o.csv, event_time: at, columns: {user: string, at: timestamp}}]
feature_views:
  - name: spend
    entity: user
    source: orders
    aggregates: [{op: count, windows: [30d, 90d], offset: 1d, name: orders, aliases: [ALIAS]}]
"""


@pytest.mark.parametrize(("alias", "suggestions"), [("count_90d_offset_1d", ['did you mean "count"?']), ("count", [])])
def test_an_alias_with_its_window_is_an_error_that_names_the_base(tmp_path, alias, suggestions):
    (tmp_path / "objects.yaml").write_text(FILES.replace("ALIAS", alias))
    problems = load_repo(tmp_path, None).problems
    assert [item.suggestion for item in problems if item.place.path == "objects.yaml"] == suggestions
