"""What pipelines and deployments say, field by field: nothing of it changes a value."""

from __future__ import annotations

from featurectl.identity.facts.base import Fact, Facts, about_facts, duration, names, plain
from featurectl.language.definitions.pipelines import Deployment, Pipeline, PipelineStage, Resources
from featurectl.language.pipeline_words import cpu_text, memory_text, replicas_text


def pipeline_facts(pipeline: Pipeline) -> Facts:
    """Return what a pipeline says; the order of its stages has no meaning, `needs` has."""
    facts = {"schedule": plain(pipeline.schedule or None), **about_facts(pipeline.about)}
    for stage in sorted(pipeline.stages, key=lambda stage: stage.name):
        facts |= {f"stages.{stage.name}.{field}": fact for field, fact in _stage_facts(stage).items()}
    return facts


def _stage_facts(stage: PipelineStage) -> Facts:
    said: dict[str, Fact] = {
        "run": plain(stage.run),
        "needs": names(sorted(stage.needs)),
        "timeout": duration(stage.timeout_us),
        "retries": plain(stage.retries or None),
        "on_success": names(stage.on_success),
        "on_failure": names(stage.on_failure),
        **_resource_facts(stage.resources),
    }
    return {field: fact for field, fact in said.items() if field == "run" or fact.text != "-"}


def _resource_facts(resources: Resources) -> dict[str, Fact]:
    memory = resources.memory_bytes
    return {
        "resources.cpu": Fact(resources.cpu, "-" if resources.cpu is None else cpu_text(resources.cpu)),
        "resources.memory": Fact(memory, "-" if memory is None else memory_text(memory)),
        "resources.gpu": plain(resources.gpu),
        "resources.replicas": plain(resources.replicas if resources.replicas > 1 else None),
    }


def deployment_facts(deployment: Deployment) -> Facts:
    """Return what a deployment says."""
    replicas = deployment.replicas
    return {
        "run": plain(deployment.run),
        "replicas": Fact([replicas.least, replicas.most, replicas.cpu], replicas_text(replicas)),
        **_resource_facts(deployment.resources),
        **about_facts(deployment.about),
    }
