"""A service of systemd that runs a pipeline once, and the timer that starts it."""

from __future__ import annotations

from collections.abc import Sequence

from featurectl.pipelines.render.base import NO_FAILURES, PipelineRequest, RenderedFile, run_words
from featurectl.pipelines.render.comments import beware, comment, variables_text
from featurectl.pipelines.render.deadlines import deadline_s, largest
from featurectl.pipelines.render.outputs import outputs_in_root, written_folders
from featurectl.pipelines.render.systemd_units import Line, calendar_lines, hardening, run_lines, unit_text


def render(request: PipelineRequest) -> list[RenderedFile]:
    """Return the service, and the timer of a pipeline that has a schedule."""
    name = request.site.host_name(request.pipeline.name)
    warnings = outputs_in_root(request.site, request.pipeline)
    files = [RenderedFile(name=f"{name}.service", text=_service(request, name, warnings), warnings=warnings)]
    if request.pipeline.schedule:
        files.append(RenderedFile(name=f"{name}.timer", text=_timer(request, name)))
    return files


def _service(request: PipelineRequest, name: str, warnings: Sequence[str]) -> str:
    site, pipeline = request.site, request.pipeline
    started = f"systemctl enable --now {name}.timer" if pipeline.schedule else f"systemctl start {name}"
    head = comment(
        f"Copy it to /etc/systemd/system, then: systemctl daemon-reload && {started}",
        *filter(None, [variables_text(site, site.variables_file)]),
        *beware(warnings),
    )
    seconds = deadline_s(pipeline)
    deadline: list[Line] = []
    if seconds is not None:
        deadline = [
            ("#", "All stages with their timeouts and retries, one after the other."),
            ("TimeoutStartSec", f"{seconds}"),
        ]
    needed = largest(pipeline)
    return unit_text(
        head,
        (
            "Unit",
            [
                ("Description", f"{site.project}: pipeline {pipeline.name} in {site.environment}"),
                ("Wants", "network-online.target"),
                ("After", "network-online.target"),
            ],
        ),
        (
            "Service",
            [
                ("Type", "oneshot"),
                *run_lines(site, run_words(pipeline, site.environment)),
                ("#", "A run that was stopped is no failure."),
                ("SuccessExitStatus", " ".join(map(str, NO_FAILURES))),
                *deadline,
                *hardening(site, devices=bool(needed.gpu), ledger=True, outputs=written_folders(site, pipeline)),
            ],
        ),
    )


def _timer(request: PipelineRequest, name: str) -> str:
    site, pipeline = request.site, request.pipeline
    events: list[Line] = [("OnCalendar", event) for event in calendar_lines(pipeline.schedule)]
    head = comment(f"Copy it to /etc/systemd/system, beside {name}.service.")
    return unit_text(
        head,
        ("Unit", [("Description", f"{site.project}: when the pipeline {pipeline.name} runs in {site.environment}")]),
        (
            "Timer",
            [
                ("#", f"{pipeline.schedule} as cron has it."),
                *events,
                ("AccuracySec", "1s"),
                ("#", "A run that was due while the machine was off is made up for, once."),
                ("Persistent", "true"),
            ],
        ),
        ("Install", [("WantedBy", "timers.target")]),
    )
