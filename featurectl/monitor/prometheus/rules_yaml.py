"""Rules as the YAML file that Prometheus reads; every text is quoted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from featurectl.core.units import format_duration
from featurectl.monitor.prometheus.rules import AlertingRule, NotRendered, Rules


def render_rules(rules: Rules) -> str:
    """Return the file, its comments included; without any rule its list of groups is empty."""
    where = f"{rules.project}_{rules.environment}"
    groups = [(f"featurectl_slas_{where}", rules.slas), (f"featurectl_alerts_{where}", rules.alerts)]
    lines = [
        f"# Rules of {rules.project} in {rules.environment}, made by `featurectl monitor rules` from the files.",
        "# They need the metrics of `featurectl monitor export`, and of `featurectl serve` for latencies and errors.",
        *(_left_out(item) for item in rules.not_rendered),
    ]
    made = [line for name, found in groups if found for line in _group(name, found)]
    return "\n".join([*lines, *(["groups:", *made] if made else ["groups: []"])]) + "\n"


def _left_out(item: NotRendered) -> str:
    return f"# Not here: {item.alert}, {item.why}."


def _group(name: str, rules: Sequence[AlertingRule]) -> list[str]:
    return [f"  - name: {_text(name)}", "    rules:", *(line for rule in rules for line in _rule(rule))]


def _rule(rule: AlertingRule) -> list[str]:
    lines = [f"      # {comment}" for comment in rule.comments]
    lines += [f"      - alert: {_text(rule.alert)}", f"        expr: {_text(rule.expr)}"]
    if rule.for_us:
        lines.append(f"        for: {format_duration(rule.for_us)}")
    if rule.keep_us:
        lines.append(f"        keep_firing_for: {format_duration(rule.keep_us)}")
    return [*lines, *_mapping("labels", rule.labels), *_mapping("annotations", rule.annotations)]


def _mapping(key: str, values: Mapping[str, str]) -> list[str]:
    return [f"        {key}:", *(f"          {name}: {_text(value)}" for name, value in values.items())]


def _text(text: str) -> str:
    """Return a text in single quotes; one that these can't hold as JSON writes it, which YAML reads."""
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return json.dumps(text, ensure_ascii=False)
