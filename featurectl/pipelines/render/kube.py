"""What Kubernetes files have in common: names, labels, a pod that may do little, variables of a Secret."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from featurectl.language.definitions.pipelines import Resources
from featurectl.language.pipeline_words import cpu_text, memory_text
from featurectl.pipelines.render.base import Site, Variable
from featurectl.pipelines.render.yaml_text import flow, flow_list

CRON_JOB_NAME: Final = 52  # characters: Kubernetes puts eleven behind it
_USER: Final = 10001  # of the image that `init --with docker` builds
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def kube_name(*parts: str, most: int = 63) -> str:
    """Return a name as Kubernetes takes it, of names of the language: no two become one.

    >>> kube_name("flights", "all_tables"), kube_name("flights", "all_tables", most=16)
    ('flights-all-tables', 'flights-a-198e4e')
    """
    whole = "-".join(parts)
    name = whole.replace("_", "-")
    if len(name) <= most and _NAME.fullmatch(name):
        return name
    digits = hashlib.sha256(whole.encode()).hexdigest()[:6]
    return f"{name[: most - 7].strip('-')}-{digits}"


def secret_name(site: Site) -> str:
    """Return the name of the Secret that holds the variables of a project."""
    return kube_name(site.project, "secrets")


def kube_command(words: Sequence[str]) -> list[object]:
    """Return a command line of a container: no $ in it begins a variable.

    >>> kube_command(["get", "a$(HOME)"])
    ['get', 'a$$(HOME)']
    """
    return flow_list(*map(kube_word, words))


def kube_word(word: str) -> str:
    """Return a word of a command line of a container, which Kubernetes makes one $ of two in."""
    return word.replace("$", "$$")


def selector(name: str, component: str) -> dict[str, str]:
    """Return the labels by which pods are found: a pipeline and a deployment may have one name."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/component": component}


def metadata(site: Site, name: str, component: str, description: str = "") -> dict[str, object]:
    """Return the name and labels of an object; `component` is `pipeline`, or what a deployment runs."""
    labels = {**selector(name, component), "app.kubernetes.io/part-of": kube_name(site.project)}
    notes = {"annotations": {"kubernetes.io/description": description}} if description else {}
    return {"name": name, "labels": labels, **notes}


def pod_security() -> dict[str, object]:
    """Return how a pod runs: as a user of no rights, with no key of the cluster."""
    return {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": flow(type="RuntimeDefault"),
        },
    }


def container_security() -> dict[str, object]:
    """Return what a container may not do."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": flow_list("ALL")},
    }


def volume_mounts(site: Site) -> list[object]:
    """Return where a container may write."""
    return [
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (of a container, for itself)
        {"name": "work", "mountPath": f"{site.folder}/.featurectl"},
    ]


def volumes() -> list[object]:
    """Return the volumes of `volume_mounts`, which end with their pod."""
    return [{"name": "tmp", "emptyDir": flow()}, {"name": "work", "emptyDir": flow()}]


def variables(
    site: Site, more: Sequence[Variable] = (), plain: Mapping[str, str] = MappingProxyType({})
) -> dict[str, object]:
    """Return the environment of a container: each variable is a key of the project's Secret, or `plain`."""
    found = [*site.variables, *more]
    named = {variable.name for variable in found}
    items: list[object] = [{"name": name, "value": plain[name]} for name in plain if name not in named]
    items += [{"name": variable.name, "valueFrom": _of_secret(site, variable)} for variable in found]
    return {"env": items} if items else {}


def _of_secret(site: Site, variable: Variable) -> dict[str, object]:
    reference: dict[str, object] = {"name": secret_name(site), "key": variable.name}
    return {"secretKeyRef": flow(**reference, **({} if variable.is_needed else {"optional": True}))}


def resources(needed: Resources, *, least_cpu: float | None = None) -> dict[str, object]:
    """Return what a container asks for; memory and graphics processors are limits, too. "least_cpu": if none is said.

    Processors are no limit: one that others leave idle may be used.
    """
    cpu = needed.cpu or least_cpu
    requests: dict[str, object] = {"cpu": cpu_text(cpu)} if cpu else {}
    limits: dict[str, object] = {}
    if needed.memory_bytes:
        requests["memory"] = limits["memory"] = memory_text(needed.memory_bytes)
    if needed.gpu:
        limits["nvidia.com/gpu"] = f"{needed.gpu}"
    found = {"requests": flow(**requests)} if requests else {}
    found |= {"limits": flow(**limits)} if limits else {}
    return {"resources": found} if found else {}


def of_secret_comment(site: Site) -> list[str]:
    """Return how the Secret is made, for the head of a file; nothing where there are no variables."""
    if not site.variables:
        return []
    names = [f"{item.name}{'' if item.is_needed else ' (it has a default)'}" for item in site.variables]
    secret = secret_name(site)
    return [
        (
            f"Its variables are keys of the Secret {secret}: {', '.join(names)}. Of lines NAME=value, without "
            f"quotes, in a file: kubectl create secret generic {secret} --from-env-file=FILE"
        )
    ]


def on_disk_comment(site: Site) -> list[str]:
    """Return what of the environment ends with a pod, as it lies on a disk; nothing where nothing does."""
    if not site.on_disk:
        return []
    return [f"Beware: {', '.join(site.on_disk)} lies on the disk of a pod, which ends with it, and is no other's."]
