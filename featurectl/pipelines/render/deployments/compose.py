"""A file of Docker Compose with a service for each deployment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

from featurectl.language.pipeline_words import memory_text
from featurectl.pipelines.render.base import DeploymentsRequest, RenderedFile, Site
from featurectl.pipelines.render.comments import beware, comment
from featurectl.pipelines.render.services import LongRun, long_run
from featurectl.pipelines.render.yaml_text import flow, flow_list, yaml_text

_PROBE: Final = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=3)"
_USER: Final = 10001
_SHARES: Final = 1024  # of one processor, as Docker has it where nothing is said
_SHARES_TEXT: Final = f"cpu_shares say who goes first where processors are short, {_SHARES} for each: none is a limit."
_LEAST_SHARES, _MOST_SHARES = 2, 262_144  # that a kernel takes


def render(request: DeploymentsRequest) -> list[RenderedFile]:
    """Return the file."""
    site = request.site
    runs = [long_run(item) for item in request.deployments]
    warnings = (*(text for run in runs for text in run.unreachable("its container")), *_shared_ports(runs))
    is_shared = any(run.deployment.resources.cpu for run in runs)
    head = comment(
        "Start it: docker compose up --detach",
        *_variables_text(site),
        *([_SHARES_TEXT] if is_shared else []),
        *_on_disk_text(site),
        *beware(warnings),
    )
    document = {
        "name": f"{site.project}-{site.environment}".replace("_", "-"),
        "services": {run.deployment.name: _service(site, run, is_shared=is_shared) for run in runs},
    }
    return [RenderedFile(name="compose.yaml", text=head + "\n" + yaml_text(document), warnings=warnings)]


def _variables_text(site: Site) -> list[str]:
    if not site.variables:
        return []
    names = ", ".join(variable.name for variable in site.variables)
    return [f"Its variables come from the shell, or from a file .env beside this one: {names}."]


def _on_disk_text(site: Site) -> list[str]:
    if not site.on_disk:
        return []
    return [f"Beware: {', '.join(site.on_disk)} lies in a container, ends with it, and is no other's."]


def _service(site: Site, run: LongRun, *, is_shared: bool) -> dict[str, Any]:
    deploy = _deploy(run)
    return {
        "image": site.image,
        "command": flow_list(*(word.replace("$", "$$") for word in run.container_words(site.environment))),
        "working_dir": site.folder,
        **_environment(site, run),
        **_ports(run),
        **_healthcheck(run),
        "restart": "unless-stopped",
        "stop_grace_period": f"{run.ending_s}s",
        "user": f"{_USER}:{_USER}",
        "init": True,
        "read_only": True,
        "tmpfs": ["/tmp", f"{site.folder}/.featurectl:uid={_USER},gid={_USER}"],  # noqa: S108 (of a container)
        "cap_drop": flow_list("ALL"),
        "security_opt": flow_list("no-new-privileges:true"),
        **({"cpu_shares": _shares(run.deployment.resources.cpu)} if is_shared else {}),
        **({"deploy": deploy} if deploy else {}),
    }


def _shares(cpu: float | None) -> int:
    """Return the weight of a container where processors are short; of one that names none, that of one processor."""
    return min(max(round(_SHARES * (cpu or 1)), _LEAST_SHARES), _MOST_SHARES)


def _deploy(run: LongRun) -> dict[str, Any]:
    """Return how many containers there are, the memory that each may take, and its graphics processors."""
    replicas, needed = run.deployment.replicas, run.deployment.resources
    deploy: dict[str, Any] = {"replicas": replicas.least} if replicas.least > 1 else {}
    found: dict[str, Any] = {}
    if needed.memory_bytes:
        found["limits"] = {"memory": memory_text(needed.memory_bytes).removesuffix("i")}
    if needed.gpu:
        found["reservations"] = {"devices": [flow(driver="nvidia", count=needed.gpu, capabilities=flow_list("gpu"))]}
    return deploy | ({"resources": found} if found else {})


def _environment(site: Site, run: LongRun) -> dict[str, Any]:
    needed = {v.name: f"${{{v.name}:?is not set}}" for v in site.variables if v.is_needed}
    others = dict.fromkeys(v.name for v in (*site.variables, *run.variables) if not v.is_needed)
    found = needed | others  # a name alone stays unset where it is
    return {"environment": found} if found else {}


def _ports(run: LongRun) -> dict[str, Any]:
    """Return the port of a server on the host; of several, one for each."""
    taken = _host_ports(run)
    if not taken:
        return {}
    host = f"{taken[0]}" if len(taken) == 1 else f"{taken[0]}-{taken[-1]}"
    return {"ports": [f"127.0.0.1:{host}:{run.port}"]}


def _host_ports(run: LongRun) -> range:
    if run.port is None or run.command.name == "stream run":
        return range(0)
    return range(run.port, run.port + run.deployment.replicas.least)


def _shared_ports(runs: Sequence[LongRun]) -> list[str]:
    """Return which deployments would take the same ports of the host: only one of them is started."""
    return [
        f"{one.deployment.name} and {other.deployment.name} take port {min(shared)} of the host: give one a --port"
        for one, other in combinations(runs, 2)
        if (shared := set(_host_ports(one)) & set(_host_ports(other)))
    ]


def _healthcheck(run: LongRun) -> dict[str, Any]:
    if run.port is None:
        return {}
    probe = _PROBE.format(port=run.port, path="/ready" if run.has_health else "/metrics")
    times = {"interval": "10s", "timeout": "5s", "start_period": "60s", "retries": 3}
    return {"healthcheck": {"test": flow_list("CMD", "python", "-c", probe), **times}}
