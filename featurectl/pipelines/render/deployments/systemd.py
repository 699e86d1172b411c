"""A service of systemd for each deployment."""

from __future__ import annotations

from featurectl.language.pipeline_words import memory_text
from featurectl.pipelines.render.base import DeploymentsRequest, RenderedFile, Site
from featurectl.pipelines.render.comments import comment, variables_text
from featurectl.pipelines.render.services import LongRun, long_run
from featurectl.pipelines.render.systemd_units import Line, hardening, run_lines, unit_text


def render(request: DeploymentsRequest) -> list[RenderedFile]:
    """Return the services."""
    site = request.site
    return [
        RenderedFile(name=f"{site.host_name(deployment.name)}.service", text=_service(site, long_run(deployment)))
        for deployment in request.deployments
    ]


def _service(site: Site, run: LongRun) -> str:
    deployment = run.deployment
    name, needed, replicas = site.host_name(deployment.name), deployment.resources, deployment.replicas
    several = ""
    if replicas.least > 1:
        several = f"One of {replicas.least}: this service on as many hosts, or --workers in `run` for more on this one."
    head = comment(
        f"Copy it to /etc/systemd/system, then: systemctl daemon-reload && systemctl enable --now {name}",
        *filter(None, [variables_text(site, site.variables_file), several]),
    )
    limits: list[Line] = []
    if needed.memory_bytes:
        limits.append(("MemoryMax", memory_text(needed.memory_bytes).removesuffix("i")))
    return unit_text(
        head,
        (
            "Unit",
            [
                ("Description", f"{site.project}: {deployment.name} in {site.environment}"),
                ("Wants", "network-online.target"),
                ("After", "network-online.target"),
            ],
        ),
        (
            "Service",
            [
                *run_lines(site, run.words(site.environment)),
                ("Restart", "on-failure"),
                ("RestartSec", "5"),
                ("#", "It ends by itself before that, after SIGTERM."),
                ("TimeoutStopSec", f"{run.ending_s}"),
                *limits,
                *hardening(site, devices=bool(needed.gpu)),
            ],
        ),
        ("Install", [("WantedBy", "multi-user.target")]),
    )
