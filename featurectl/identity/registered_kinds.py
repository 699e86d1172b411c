"""What each kind of registered object is: its definition, how it is read from JSON, and what it says, field by field.

A *fact* is one field in two forms: the canonical one that is hashed and compared, and the text that people read.
Fingerprints and the reasons of a plan come from the same facts, so a fingerprint can't move without a reason.

Data facts are everything that can change a value. Metadata facts are the rest: owners, descriptions, where the
data lies, how often it is refreshed. Formatting, the order of keys and defaults written out are in neither.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from featurectl.core.kinds import ObjectKind
from featurectl.identity.facts.alerts import alert_facts, notifier_facts
from featurectl.identity.facts.base import Facts, about_facts
from featurectl.identity.facts.entities import entity_facts
from featurectl.identity.facts.models import model_facts, model_metadata
from featurectl.identity.facts.pipelines import deployment_facts, pipeline_facts
from featurectl.identity.facts.sources import source_facts, source_metadata
from featurectl.identity.facts.views import view_facts, view_metadata
from featurectl.language.definitions.alerts import Alert, Notifier
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.json_form import (
    Json,
    load_alert,
    load_deployment,
    load_entity,
    load_model,
    load_notifier,
    load_pipeline,
    load_source,
    load_view,
)
from featurectl.language.definitions.model import Model
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import FeatureView

Registrable = Entity | Source | FeatureView | Model | Pipeline | Deployment | Alert | Notifier


def _none(_: object) -> Facts:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKind:
    """A kind of registered object: its definitions, how one is read from JSON, its data and its metadata facts."""

    type: type[Registrable]
    load: Callable[[Json], Registrable]
    data: Callable[..., Facts] = _none
    metadata: Callable[..., Facts] = _none


REGISTERED: Final[Mapping[ObjectKind, RegisteredKind]] = {
    "entity": RegisteredKind(
        type=Entity, load=load_entity, data=entity_facts, metadata=lambda entity: about_facts(entity.about)
    ),
    "source": RegisteredKind(type=Source, load=load_source, data=source_facts, metadata=source_metadata),
    "feature_view": RegisteredKind(type=FeatureView, load=load_view, data=view_facts, metadata=view_metadata),
    "model": RegisteredKind(
        type=Model,
        load=load_model,
        data=model_facts,
        metadata=lambda model: {**about_facts(model.about), **model_metadata(model)},
    ),
    "pipeline": RegisteredKind(type=Pipeline, load=load_pipeline, metadata=pipeline_facts),
    "deployment": RegisteredKind(type=Deployment, load=load_deployment, metadata=deployment_facts),
    "alert": RegisteredKind(type=Alert, load=load_alert, metadata=alert_facts),
    "notifier": RegisteredKind(type=Notifier, load=load_notifier, metadata=notifier_facts),
}


def kind_of(obj: Registrable) -> ObjectKind:
    """Return the kind that an object is registered as."""
    return next(kind for kind, registered in REGISTERED.items() if isinstance(obj, registered.type))


def data_facts(obj: Registrable) -> Facts:
    """Return everything in an object that can change a value; of a view, the facts of all its features."""
    return REGISTERED[kind_of(obj)].data(obj)


def metadata_facts(obj: Registrable) -> Facts:
    """Return everything in an object that can't change a value."""
    return REGISTERED[kind_of(obj)].metadata(obj)
