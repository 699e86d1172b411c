"""`featurectl monitor rules`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.core.units import counted

if TYPE_CHECKING:
    from featurectl.monitor.prometheus.rules import AlertingRule, Rules


@verb()
def rules(
    call: Call,
    out: Annotated[Path | None, typer.Option(help="Where to write the rules.", metavar="FILE")] = None,
    grafana: Annotated[
        Path | None, typer.Option(help="Where to write a Grafana dashboard, too.", metavar="FILE")
    ] = None,
) -> Outcome:
    """Render alert rules for Prometheus, from the files.

    A rule for each SLA and for each declared alert that a metric can tell; a comment says of each other one why
    not. Ages are those of `monitor export`, latencies and errors those of `serve`.
    """
    from featurectl.monitor.prometheus.write_files import RulesRequest, write_rules

    written = write_rules(RulesRequest(root=call.root(), env=call.env, rules=out, dashboard=grafana))
    text = written.text if out is None else _wrote(written.rules, out)
    return Outcome(text=text, result=_rules_json(written.rules, out, grafana), text_is="document")


def _wrote(made: Rules, out: Path) -> str:
    left = len(made.not_rendered)
    others = f"; {counted(left, 'alert')} that no metric tells: see its comments" if left else ""
    return f"Wrote {counted(len(made.slas) + len(made.alerts), 'rule')} to {out}{others}"


def _rules_json(made: Rules, out: Path | None, grafana: Path | None) -> dict[str, object]:
    return {
        "out": None if out is None else str(out),
        "grafana": None if grafana is None else str(grafana),
        "rules": [_rule_json(rule) for rule in (*made.slas, *made.alerts)],
        "not_rendered": [{"alert": item.alert, "why": item.why} for item in made.not_rendered],
    }


def _rule_json(rule: AlertingRule) -> dict[str, object]:
    return {
        "alert": rule.alert,
        "expr": rule.expr,
        "for_seconds": rule.for_us / 1_000_000,
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }
