"""The query of a check reads the rows that were read, and nothing else: `validate` says so."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main

PROJECT = 'project: p\nenvironments:\n  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db"}\n'
SOURCE = """sources:
  - name: pays
    path: data/p.csv
    event_time: at
    columns: {card: string, at: timestamp, amount: float64}
    checks:
      - {sql: "QUERY"}
"""


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("select * from pays where amount < 0", ""),
        ("-- wrong ones\\n(select * from rows)", ""),
        ("select * from read_csv('/etc/hosts')", "it says read_csv"),
        ("select * from `read_parquet`/**/('http://127.0.0.1/x')", "it says read_parquet"),
        ("select * from pays where read_json is null", "it says read_json, if only in a name or comment"),
        ("select * from pays -- as read_csv has them", "it says read_csv"),
        ("drop table pays", "it is no SELECT"),
        ("truncate table rows", "it is no SELECT"),
    ],
)
def test_a_query_that_looks_at_anything_else_is_refused(tmp_path, capsys, query, told):
    (tmp_path / "featurectl.yaml").write_text(PROJECT)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/p.csv").write_text("card,at,amount\n")
    (tmp_path / "all.yaml").write_text(SOURCE.replace("QUERY", query))
    assert main(["validate", "-C", str(tmp_path)]) == (1 if told else 0)
    said = "".join(capsys.readouterr())
    assert (f"error[FC519]: no query of a check: {told}" in said) is bool(told), said
