"""A Deployment of Kubernetes for each deployment, with the Service, autoscaler and disruption budget that it needs."""

from __future__ import annotations

from typing import Any, Final

from featurectl.pipelines.render import kube
from featurectl.pipelines.render.base import DeploymentsRequest, RenderedFile, Site
from featurectl.pipelines.render.comments import beware, comment
from featurectl.pipelines.render.services import LongRun, long_run
from featurectl.pipelines.render.yaml_text import flow, said, yaml_text

_LEAST_CPU: Final = 1.0  # that one with an autoscaler asks for: use is a share of what is asked for


def render(request: DeploymentsRequest) -> list[RenderedFile]:
    """Return a file for each deployment."""
    site = request.site
    files = []
    for deployment in request.deployments:
        run = long_run(deployment)
        name = kube.kube_name(site.project, deployment.name)
        documents = [_deployment(site, run, name), _service(site, run, name)]
        documents += [_autoscaler(site, run, name), _budget(site, run, name)]
        head = comment(
            *(kube.of_secret_comment(site)),
            *(f"{variable.name}, where the Secret has it, holds the keys of clients." for variable in run.variables),
            *kube.on_disk_comment(site),
            *beware(warnings := run.unreachable("the pod, its probes included")),
        )
        text = yaml_text(*(document for document in documents if document is not None))
        files.append(RenderedFile(name=f"{name}.yaml", text=head + "\n" + text if head else text, warnings=warnings))
    return files


def _deployment(site: Site, run: LongRun, name: str) -> dict[str, Any]:
    replicas, about = run.deployment.replicas, run.deployment.about
    is_scaled = replicas.cpu is not None
    count = said("The HorizontalPodAutoscaler says how many.") if is_scaled else {"replicas": replicas.least}
    selected = kube.selector(name, run.component)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": kube.metadata(site, name, run.component, about.description),
        "spec": {
            **count,
            "selector": {"matchLabels": selected},
            "strategy": {"rollingUpdate": flow(maxSurge=1, maxUnavailable=0)},
            "template": {
                "metadata": {"labels": kube.metadata(site, name, run.component)["labels"], **_scraped(run)},
                "spec": {
                    **kube.pod_security(),
                    **said("It ends by itself before that, after SIGTERM."),
                    "terminationGracePeriodSeconds": run.ending_s,
                    "containers": [_container(site, run, is_scaled=is_scaled)],
                    "volumes": kube.volumes(),
                },
            },
        },
    }


def _scraped(run: LongRun) -> dict[str, object]:
    if run.port is None:
        return {}
    words = {"scrape": "true", "port": str(run.port), "path": "/metrics"}
    return {"annotations": {f"prometheus.io/{key}": value for key, value in words.items()}}


def _container(site: Site, run: LongRun, *, is_scaled: bool) -> dict[str, Any]:
    ports = {"ports": [flow(name="http", containerPort=run.port)]} if run.port is not None else {}
    return {
        "name": run.component,
        "image": site.image,
        "command": kube.kube_command(run.container_words(site.environment)),
        "workingDir": site.folder,
        **kube.variables(site, run.variables),
        **ports,
        **_probes(run),
        **kube.resources(run.deployment.resources, least_cpu=_LEAST_CPU if is_scaled else None),
        "securityContext": kube.container_security(),
        "volumeMounts": kube.volume_mounts(site),
    }


def _probes(run: LongRun) -> dict[str, object]:
    """Return what the kubelet asks: does it live, can it answer."""
    if run.port is None:
        return {}
    health, ready = ("/health", "/ready") if run.has_health else ("/metrics", "/metrics")
    return {
        **said("/health is answered while models are loaded, and while a store is away."),
        "startupProbe": {"httpGet": flow(path=health, port="http"), "periodSeconds": 1, "failureThreshold": 60},
        "livenessProbe": {"httpGet": flow(path=health, port="http"), "periodSeconds": 10, "timeoutSeconds": 3},
        "readinessProbe": {
            "httpGet": flow(path=ready, port="http"),
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": 2,
        },
    }


def _service(site: Site, run: LongRun, name: str) -> dict[str, Any] | None:
    if run.port is None or run.command.name == "stream run":
        return None
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": kube.metadata(site, name, run.component),
        "spec": {
            "selector": kube.selector(name, run.component),
            "ports": [flow(name="http", port=80 if run.command.name == "serve" else run.port, targetPort="http")],
        },
    }


def _autoscaler(site: Site, run: LongRun, name: str) -> dict[str, Any] | None:
    replicas = run.deployment.replicas
    if replicas.cpu is None:
        return None
    target = {"type": "Utilization", "averageUtilization": round(100 * replicas.cpu)}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": kube.metadata(site, name, run.component),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": replicas.least,
            "maxReplicas": replicas.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": flow(**target)}}],
        },
    }


def _budget(site: Site, run: LongRun, name: str) -> dict[str, Any] | None:
    """Return how many may be away while nodes are emptied; of one alone nothing is said: that would stop it."""
    if run.deployment.replicas.least < 2:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": kube.metadata(site, name, run.component),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": kube.selector(name, run.component)}},
    }
