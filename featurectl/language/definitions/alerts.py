"""Alerts and notifiers, as they are declared."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from typing import Final, Literal, get_args

from featurectl.core.units import SECOND_US, counted, format_age, format_duration

AlertSeverity = Literal["info", "warning", "critical"]
Operator = Literal["<", "<=", ">", ">=", "=", "!="]
Way = Literal["slack", "pagerduty", "webhook", "email", "command"]
Metric = Literal[
    "freshness", "latency_p50", "latency_p95", "latency_p99", "error_rate", "store_errors", "psi", "js", "ks",
    "wasserstein", "null_rate", "skew", "checks", "stream_lag", "pipeline_failures",
]  # fmt: skip
SlaBound = Literal["warn_after", "error_after"]
SLA_BOUNDS: Final[tuple[SlaBound, ...]] = get_args(SlaBound)
SEVERITIES: Final[tuple[AlertSeverity, ...]] = get_args(AlertSeverity)
WAYS: Final[tuple[Way, ...]] = get_args(Way)
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
# Measured on what `serve` has answered: the environment's prediction log.
LOGGED_METRICS: Final = frozenset[Metric](
    {
        "latency_p50", "latency_p95", "latency_p99", "error_rate", "store_errors",
        "psi", "js", "ks", "wasserstein", "null_rate", "skew",
    }
)  # fmt: skip
OF_ONE_MOMENT: Final[tuple[Metric, ...]] = ("freshness", "stream_lag")  # measured over no time: without `in`
_TIMED: Final = ("freshness", "stream_lag", "latency_p50", "latency_p95", "latency_p99")
_SHARES: Final = ("error_rate", "null_rate", "skew")
_TO_ONE: Final = (*_SHARES, "js", "ks")  # never more than 1
_SHELLS: Final = ("sh", "bash", "dash", "ksh", "zsh", "fish", "busybox")
# A word of its own that joins or turns commands, `a;`, `$NAME` and `$(...)` without quotes or in double ones, `~/...`.
_OF_A_SHELL: Final = re.compile(r"^(\|\|?|&&?|;|[0-9&]?>>?\S*|<)$|^[^'\"]*;$|^(?!')[^']*(\$[A-Za-z_(]|`)|^~/")
_VARIABLE: Final = re.compile(r"\$\{\w+(:-[^{}]*)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is measured, over how long (None: as the metric needs), and what it is compared with.

    `value` is in the unit of the metric: microseconds for freshness, latencies and lags, a plain number for all others,
    a share of 1 where it was written in percent (5% is 0.05). With a `bound` it is compared with that of the SLA of
    each view, and of each feature that has one of its own; `value` is 0 then.
    """

    metric: Metric
    op: Operator
    value: float
    window_us: int | None = None
    bound: SlaBound | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """When to tell whom.

    `for_us` is how long the condition must hold before anybody is notified, `repeat_us` how soon again (None:
    not). `views` and `models` are names or patterns, and so are `pipelines`, of `pipeline_failures`; all empty: all
    views and models that the metric is measured on.
    """

    name: str
    when: Condition
    severity: AlertSeverity
    notify: tuple[str, ...]
    for_us: int = 0
    repeat_us: int | None = None
    views: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """How somebody is notified; `address` may hold `${NAME}`, unexpanded."""

    name: str
    way: Way
    address: str


def is_timed(metric: str) -> bool:
    """Return whether a metric is a length of time, in microseconds."""
    return metric in _TIMED


def format_measure(metric: str, value: float) -> str:
    """Return a value of a metric as people read it.

    >>> format_measure("latency_p99", 151_200.0), format_measure("freshness", 172_800e6), format_measure("skew", 0.052)
    ('151.2 ms', '2 d', '5.2%')
    >>> format_measure("psi", 0.2513), format_measure("checks", 2.0)
    ('0.251', '2')
    """
    if not math.isfinite(value):
        return f"{value:g}"
    if is_timed(metric):
        return f"{value / 1000:.4g} ms" if metric.startswith("latency") else format_age(round(value))
    return f"{100 * value:.3g}%" if metric in _SHARES else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def plain_measure(metric: str, value: float) -> float:
    """Return a value of a metric for machines: a length of time in seconds.

    >>> plain_measure("latency_p99", 151_200.0), plain_measure("psi", 0.2513)
    (0.1512, 0.2513)
    """
    return value / SECOND_US if is_timed(metric) else value


def format_condition(condition: Condition) -> str:
    """Return a condition in the language's form.

    >>> format_condition(Condition(metric="latency_p99", op=">", value=150_000.0, window_us=300 * SECOND_US))
    'latency_p99 > 150ms in 5m'
    >>> format_condition(Condition(metric="error_rate", op=">=", value=0.05))
    'error_rate >= 5%'
    >>> format_condition(Condition(metric="freshness", op=">", value=0.0, bound="error_after"))
    'freshness > error_after'
    """
    value = condition.value
    if condition.bound is not None:
        return f"{condition.metric} {condition.op} {condition.bound}"
    if is_timed(condition.metric):
        whole = value >= SECOND_US and value % SECOND_US == 0
        text = format_duration(round(value)) if whole else f"{value / 1000:.12g}ms"
    else:
        text = f"{100 * value:.12g}%" if condition.metric in _SHARES else f"{value:.12g}"
    window = f" in {format_duration(condition.window_us)}" if condition.window_us else ""
    return f"{condition.metric} {condition.op} {text}{window}"


def vain_part(condition: Condition) -> str:
    """Return what of a condition does nothing: a value that its metric can't pass; "": nothing of it.

    >>> vain_part(Condition(metric="error_rate", op=">", value=5.0))
    'error_rate is from 0 to 1, so that nothing passes 5; five percent are 5% or 0.05'
    """
    metric, value = condition.metric, condition.value
    if metric in _TO_ONE and value > 1:
        return f"{metric} is from 0 to 1, so that nothing passes {value:.12g}; five percent are 5% or 0.05"
    return ""


def wrong_address(notifier: Notifier) -> str:
    """Return why nothing can be sent to an address as it is written; "": it may be, or a variable decides.

    >>> wrong_address(Notifier(name="ops", way="slack", address="hooks.slack.com/services/T0/B0/x"))
    'the address of slack is no http or https URL'
    >>> wrong_address(Notifier(name="ops", way="command", address="tell 'ops"))
    'no command: No closing quotation'
    >>> print(wrong_address(Notifier(name="ops", way="command", address="cat | tell")))
    no shell reads a command, and "|" is nothing but a word to it: write sh -c 'cat | tell'
    >>> wrong_address(Notifier(name="ops", way="slack", address="${HOOK}"))
    ''
    """
    way, address = notifier.way, notifier.address.strip()
    if way == "command":
        return _wrong_command(address)
    if way in ("slack", "webhook") and not re.match(r"(https?://[^/?#]|[^:/?#]*\$\{)", address):
        return f"the address of {way} is no http or https URL"
    if way == "email" and "@" not in address and "${" not in address:
        return "the address of email has no @"
    return ""


def _wrong_command(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError as error:
        return f"no command: {error}"
    if not words:
        return "no command: it has no word"
    if words[0].rpartition("/")[2] in _SHELLS:
        return ""
    lexer = shlex.shlex(text, posix=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    of_shell = next((word for word in lexer if _OF_A_SHELL.search(word)), "")
    if not of_shell:
        return ""
    quoted = f'"{text}"' if "'" in text and '"' not in text else shlex.quote(text)
    return f'no shell reads a command, and "{of_shell}" is nothing but a word to it: write sh -c {quoted}'


def shown_address(notifier: Notifier) -> str:
    """Return an address for eyes: names of variables as they are written, and nothing that may be a secret.

    >>> shown_address(Notifier(name="ops", way="slack", address="${HOOK}"))
    '${HOOK}'
    >>> shown_address(Notifier(name="ops", way="slack", address="https://hooks.slack.com/services/T0/B0/x"))
    'https://hooks.slack.com/...'
    >>> shown_address(Notifier(name="ops", way="pagerduty", address="${KEY:-0123456789}"))
    '${KEY:-...}'
    >>> shown_address(Notifier(name="ops", way="command", address="bin/tell --token 's3 cret' ${ROOM}"))
    'bin/tell (3 arguments)'
    """
    address = notifier.address
    if notifier.way == "email":
        return address
    if notifier.way == "command":
        return _shown_command(address)
    if _VARIABLE.fullmatch(address):
        return _without_defaults(address)
    start = re.match(r"https?://[^/@?#]+(?=/|$)", address)
    return f"{start[0]}/..." if start and notifier.way != "pagerduty" else "..."


def _shown_command(text: str) -> str:
    """Return the program of a command and how many arguments it gets: any of them may be a secret."""
    try:
        program, *arguments = shlex.split(text)
    except ValueError:  # it has no word, or no end of a quotation
        return "..."
    given = f" ({counted(len(arguments), 'argument')})" if arguments else ""
    return f"{_without_defaults(program)}{given}"


def _without_defaults(text: str) -> str:
    return re.sub(r":-[^}]*", ":-...", text)
