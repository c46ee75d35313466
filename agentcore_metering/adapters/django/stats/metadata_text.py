"""The text of one key of a row's metadata, as SQL of each database, so that rows can be found by it.

Texts, whole numbers, `true` and `false` compare the same on each. Other numbers have the digits that the database writes, and null is
no text. Keys are checked by the caller: SQLite's path cannot hold a quote.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Func, TextField, Value
from django.db.models.lookups import Exact
from django.db.models.sql.compiler import SQLCompiler

__all__ = ["MetadataText"]


class MetadataText(Func):
    """`metadata`'s value under a key, as text; NULL where the key is not there."""

    function = "METADATA_TEXT"  # what a database that is not one of these says it has not
    output_field = TextField()

    def __init__(self, key: str) -> None:
        super().__init__(F("metadata"))
        self._key = key

    @classmethod
    def equals(cls, key: str, text: str) -> Exact[Any]:
        """A condition: the value under `key` reads as `text`."""
        return Exact(cls(key), Value(text, output_field=TextField()))

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """A text without its quotes; the rest as JSON."""
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"JSON_UNQUOTE(JSON_EXTRACT({column}, %s))", (*parameters, self._path)

    def as_postgresql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """The operator that takes the key as it is; Django's would take digits for the index of a list."""
        column, parameters = compiler.compile(self.source_expressions[0])
        return f"({column} ->> %s::text)", (*parameters, self._key)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        """SQLite has no booleans: by itself it would write them as 1 and 0."""
        column, parameters = compiler.compile(self.source_expressions[0])
        value = f"CAST(JSON_EXTRACT({column}, %s) AS TEXT)"
        kind = f"JSON_TYPE({column}, %s)"
        sql = f"(CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE {value} END)"
        return sql, (*parameters, self._path) * 2

    @property
    def _path(self) -> str:
        return f'$."{self._key}"'
