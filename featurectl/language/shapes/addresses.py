"""The addresses of stores and of data as they are written: what begins like no kind of them is an error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Annotated, Final

from pydantic import PlainValidator, WithJsonSchema

from featurectl.core.nearest import did_you_mean
from featurectl.core.variables import has_variable
from featurectl.language.problems.report import Report
from featurectl.language.shapes.rules import JsonSchema
from featurectl.language.shapes.values import VARIABLES, read_address, read_environment_text, text_schema
from featurectl.language.syntax.place import Place

_VARIABLE_FIRST: Final = r"((?!://)[^$]|\$(?!\{))*\$\{"
_SLIP: Final = 0.75  # so alike are two names of which one is meant


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressKind:
    """What addresses of one kind begin with.

    `is_folder`: what has no scheme is a path, or a name. `has_others`: other schemes may be good where somebody has
    installed what reads them, so that only those are refused which look like a slip.
    """

    noun: str
    schemes: Sequence[str]
    is_folder: bool = False
    has_others: bool = False


ONLINE_STORES: Final = AddressKind(
    noun="online stores",
    schemes=("sqlite:///", "redis://", "rediss://", "redis+cluster://", "rediss+cluster://", "postgresql://",
             "dynamodb://"),
)  # fmt: skip
REGISTRIES: Final = AddressKind(noun="registries", schemes=("sqlite:///", "postgresql://", "postgresql+psycopg://"))
FOLDERS: Final = AddressKind(
    noun="folders and files",
    schemes=("s3://", "s3a://", "gs://", "az://", "azure://", "adl://", "abfs://", "abfss://", "http://", "https://",
             "file://"),
    is_folder=True,
)  # fmt: skip
DATABASES: Final = AddressKind(
    noun="databases",
    schemes=("sqlite:///", "postgresql://", "duckdb://", "mysql://", "mariadb://", "mssql://", "oracle://",
             "snowflake://", "bigquery://", "redshift://", "databricks://", "trino://", "clickhouse://", "awsathena://",
             "rqlite://"),
    has_others=True,
)  # fmt: skip

CATALOGS: Final = AddressKind(
    noun="catalogs",
    schemes=("sqlite:///", "postgresql://", "postgresql+psycopg://", "http://", "https://", "thrift://", "glue://"),
    is_folder=True,
)


def address_schema(kind: AddressKind) -> JsonSchema:
    """Return what editors refuse: addresses that begin like none of a kind, and have no variable before that."""
    begins = [r"[A-Za-z][A-Za-z0-9+._-]*://"] if kind.has_others else [re.escape(scheme) for scheme in kind.schemes]
    if kind.is_folder:
        begins.append(r"((?!://)[\s\S])*$")
    pattern = rf"^(?={'|'.join(begins)}|{_VARIABLE_FIRST}){VARIABLES.removeprefix('^')}"
    made = text_schema(pattern, _note(kind))
    return made if kind.is_folder else made | {"type": "string"}


def check_address(address: str, kind: AddressKind, place: Place, report: Report) -> None:
    """Report FC104 for an address, unexpanded, that begins like none of its kind; variables may say anything."""
    written = address.partition("${")[0]
    scheme, mark, _ = written.partition("://")
    if not mark:
        if has_variable(address) or kind.is_folder:
            return
        report.error("FC104", f'"{address}" is no URL', place, note=_note(kind))
        return
    if written.lower().startswith(tuple(kind.schemes)):
        return
    bare = [each.partition("://")[0] for each in kind.schemes]
    name = scheme.lower().partition("+")[0] if kind.has_others else scheme.lower()
    if kind.has_others and (name in bare or max(SequenceMatcher(None, name, each).ratio() for each in bare) < _SLIP):
        return
    if name in bare:  # sqlite://h
        right = next(each for each in kind.schemes if each.startswith(f"{name}://"))
        suggestion = f'did you mean "{right}"?'
    else:
        suggestion = did_you_mean(name, bare)
    report.error("FC104", f'no {kind.noun} are at "{scheme}://"', place, suggestion=suggestion, note=_note(kind))


def _note(kind: AddressKind) -> str:
    of_others = ", or as a dialect of SQLAlchemy that is installed" if kind.has_others else ""
    return f"URLs of {kind.noun} begin with {', '.join(kind.schemes)}{of_others}"


RegistryUrl = Annotated[str, PlainValidator(read_environment_text), WithJsonSchema(address_schema(REGISTRIES))]
OnlineUrl = Annotated[str, PlainValidator(read_environment_text), WithJsonSchema(address_schema(ONLINE_STORES))]
FolderAddress = Annotated[str, PlainValidator(read_environment_text), WithJsonSchema(address_schema(FOLDERS))]
CatalogAddress = Annotated[str, PlainValidator(read_address), WithJsonSchema(address_schema(CATALOGS))]
DatabaseUrl = Annotated[str, PlainValidator(read_address), WithJsonSchema(address_schema(DATABASES))]
