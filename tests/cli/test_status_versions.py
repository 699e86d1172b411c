"""Versions of a view that a model still reads are looked at beside the newest."""

from __future__ import annotations

from dataclasses import replace

from featurectl.cli.main import main
from featurectl.monitor.health import check_results, look
from featurectl.registry.state import ObjectVersion
from featurectl.workspace.open import open_workspace
from tests.cli.shop import apply_shop, materialize_shop, write_shop
from tests.plan.states import trained

OLD_CHECKS = "    checks: [{row_count: [1, 9000], severity: warn}, {row_count: [0, 9]}]\n"
NEW_CHECKS = "    where: amount > 2\n    checks: [{row_count: [1, 9000]}]\n"


def test_an_older_version_is_shown_if_a_model_reads_it_and_else_is_not(tmp_path, monkeypatch):
    root = write_shop(tmp_path)
    file = root / "views.yaml"
    file.write_text(file.read_text().replace("orders\n    aggregates", f"orders\n{OLD_CHECKS}    aggregates"))
    apply_shop(root)
    materialize_shop(root)
    monkeypatch.chdir(root)
    assert main(["push", "-q"]) == 0
    file.write_text(file.read_text().replace(OLD_CHECKS, NEW_CHECKS))
    assert main(["apply", "--auto-approve", "--allow-breaking", "spend", "-q"]) == 0
    with open_workspace(root, None, None, "unread") as workspace:
        state = workspace.state()
        model = ObjectVersion(kind="model", name="m", version=1, definition={})
        bound = replace(state, objects=(*state.objects, model), model_versions=(trained("m", 1, "spend", 1),))
        seen = [
            {row.version: row.error for row in look(workspace, given, entities=False) if row.name == "spend"}
            for given in (state, bound)
        ]
        checks = [
            [(check.label, check.severity) for check in check_results(workspace, given, [])] for given in (state, bound)
        ]
    assert checks == [
        [("row_count at least 1 and at most 9000", "error")],
        [("row_count at least 1 and at most 9000", "error"), ("row_count at least 0 and at most 9", "error")],
    ]
    assert seen == [{2: "not materialized yet; served: @1"}, {1: "", 2: "not materialized yet; served: @1"}]
