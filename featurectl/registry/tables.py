"""The tables of a registry, as the newest migration leaves them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

METADATA: Final = MetaData()

# One row: which registry this is. A saved plan names it.
registry = Table("registry", METADATA, Column("id", Text, primary_key=True))

# One row a project; `serial` grows by one with each change of it.
projects = Table(
    "projects",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("serial", Integer, nullable=False),
)

# One row a version of an entity, source, feature view or model; `definition` and `features` are JSON.
objects = Table(
    "objects",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("definition", Text, nullable=False),
    Column("features", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("applied_at", Text, nullable=False),
    Column("current", Boolean, nullable=False),
)

# One row a trained model; `document` is all of it, as JSON.
model_versions = Table(
    "model_versions",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", Text, nullable=False),
)

# One row an alias of a model, such as "champion".
aliases = Table(
    "aliases",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("alias", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

# One row a canary of a model; `state` is "running" until it is decided, `document` is all of it, as JSON.
canaries = Table(
    "canaries",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("document", Text, nullable=False),
)

# One row a change of a project; `serial` is the one that it made, `plan` the applied plan's JSON.
history = Table(
    "history",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("commit_id", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("plan", Text, nullable=False),
)

# One row a held lock; anybody may take it once `expires_at` has passed.
locks = Table(
    "locks",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("since", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
)

# One row a version of an offline table that a manifest names; `holder` says which.
pins = Table(
    "pins",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("view", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("table_version", Integer, primary_key=True),
    Column("holder", Text, primary_key=True),
)

# One row a view version whose definition does not say all types: the source's columns with those of its table, as JSON.
view_columns = Table(
    "view_columns",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("view", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("columns", Text, nullable=False),
)

# One row an alert and what it is about; `document` is its state, as JSON, `revision` grows with each write of it.
alert_states = Table(
    "alert_states",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("alert", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("document", Text, nullable=False),
)

# One row a message to a notifier, written with the state that causes it; `state` is "waiting" until it is sent or given
# up. `lease_until` is when the lease ends, or when the last one did.
deliveries = Table(
    "deliveries",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease", Text, nullable=False),
    Column("lease_until", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("deliveries_by_state", "project", "environment", "state"),
)

# One row a silence, kept when it is over.
silences = Table(
    "silences",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("environment", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("document", Text, nullable=False),
)

# One row a project of which keys were erased: the secret that their hashes are made with, in hexadecimal.
erasure_secrets = Table(
    "erasure_secrets",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("secret", Text, nullable=False),
)

# One row an erasure of a key; `keys` is JSON, `quick` a number of 64 bits, `done_at` "" until all was removed.
erasures = Table(
    "erasures",
    METADATA,
    Column("project", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("entity", Text, nullable=False),
    Column("keys", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("quick", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("done_at", Text, nullable=False),
)
