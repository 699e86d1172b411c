"""A file for /etc/cron.d: one line, which is due by the clock in UTC wherever the host is.

Cron's own fields are of the host's time zone, and not every cron has `CRON_TZ`. So the line is started at each minute
that may be due in any zone (zones differ from UTC by quarters of an hour), and asks for the time in UTC itself. As its
hours are `*`, no cron starts it twice or leaves it out when clocks are changed for the summer.

Cron sends by mail whatever a line prints. So what a run says goes into a file, which is printed where the run has
failed: a mail means that there is something to do.
"""

from __future__ import annotations

from typing import Final

from featurectl.language.definitions.schedule import FIELDS
from featurectl.pipelines.render.base import NO_FAILURES, PipelineRequest, RenderedFile, run_words, shell_line
from featurectl.pipelines.render.comments import comment, variables_text
from featurectl.pipelines.render.due import DueFields, cron_field, due_fields, is_all

_QUARTERS: Final = (0, 15, 30, 45)
_DATE: Final = r"date -u '+\%M \%H \%d \%m \%w'"  # cron ends a line at a % without its \


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the file of a pipeline that has a schedule."""
    site, pipeline = request.site, request.pipeline
    name = site.host_name(pipeline.name)
    own = f".featurectl/{site.environment}-{pipeline.name}.cron"
    due = due_fields(pipeline.schedule)
    variables, read = "", ""
    if site.variables:
        variables, read = f"VARIABLES={site.variables_file}\n", 'set -a && . "$VARIABLES" && '
    command = shell_line([f"{site.folder}/.venv/bin/featurectl", *run_words(pipeline, site.environment)[1:]])
    head = comment(
        f"Copy it to /etc/cron.d/{name}. It runs as the user featurectl, in the folder of the repository.",
        *filter(None, [variables_text(site, "$VARIABLES")]),
        f"What the last run said is in {own}.log. Cron mails it where the run has failed, to the user featurectl or to "
        "whom a line `featurectl: ADDRESS` of /etc/aliases names.",
        "",
        f"Due at {pipeline.schedule}, in UTC. Cron has the time of the host: it starts the line at each minute that "
        f"may be due in some time zone, and the line looks at the time in UTC. $DUE is {', '.join(FIELDS)}.",
    )
    text = f"""\
{head}SHELL=/bin/sh
HOME={site.folder}
REPOSITORY={site.folder}
{variables}DUE={due_pattern(due)}
{cron_field(started_minutes(due), 0, 60)} * * * * featurectl {_DATE} | grep -qxE "$DUE" && cd "$REPOSITORY" && \
{read}mkdir -p .featurectl && exec flock -n {own}.lock {shell_line(["sh", "-c", _logged(command, f"{own}.log")])}
"""
    return [RenderedFile(name=name, text=text)]


def _logged(command: str, log: str) -> str:
    """Return a line of a shell that prints what a command says where it fails.

    A run that was stopped is no failure.
    """
    passed = "|".join(map(str, (0, *NO_FAILURES)))
    return f"{command} >{log} 2>&1; code=$?; case $code in {passed}) ;; *) cat {log} ;; esac; exit $code"


def started_minutes(due: DueFields) -> tuple[int, ...]:
    """Return the minutes of a host's clock at which a schedule may be due, in any time zone."""
    return tuple(sorted({(minute + quarter) % 60 for minute in due.minutes for quarter in _QUARTERS}))


def due_pattern(due: DueFields) -> str:
    """Return what `minute hour day month weekday` matches when a schedule is due, as an expression of grep -E.

    >>> due_pattern(due_fields("0 6 13 * 5"))
    '00 06 (13 .. .|.. .. 5)'
    """
    minute, hour = _either(due.minutes, 60), _either(due.hours, 24)
    day, month, weekday = _either(due.days, 31), _either(due.months, 12), _either(due.weekdays, 7, digits=1)
    if due.any_day:
        return f"{minute} {hour} .. {month} ."
    if due.is_either:
        return f"{minute} {hour} ({day} {month} .|.. {month} {weekday})"
    return f"{minute} {hour} {day} {month} {weekday}"


def _either(values: tuple[int, ...], size: int, *, digits: int = 2) -> str:
    if is_all(values, size):
        return "." * digits
    words = [f"{value:0{digits}}" for value in values]
    return words[0] if len(words) == 1 else f"({'|'.join(words)})"
