"""Owns how money is stored: a Decimal with 12 places in Python, exact in every database, and sums of it that are exact too.

PostgreSQL and MySQL hold numeric(24,12). SQLite, whose decimals are floats, holds whole pico-units (1e-12) in a BIGINT, up to about
9.2 million currency units a row. Which currency an amount is in is left to the column beside it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import NotSupportedError, models
from django.db.models.expressions import Col, Combinable, Expression, register_combinable_fields
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models import DecimalField as GenericDecimalField
    from django.db.models.sql.compiler import SQLCompiler

    _AnyField = models.Field[Any, Any]
else:
    _AnyField = models.Field

    class GenericDecimalField(models.DecimalField):
        """DecimalField as the type checker sees it: with two type parameters."""

        __class_getitem__ = classmethod(lambda cls, _parameters: cls)


__all__ = ["ExactDecimalField", "ExactExpressionField", "ExactSum", "exact_value", "to_exact"]

_ST_contra = TypeVar("_ST_contra", contravariant=True)
_GT_co = TypeVar("_GT_co", covariant=True)

MAX_DIGITS = 24
DECIMAL_PLACES = 12

_PICO = Decimal("1e-12")
_INTEGER_DIGITS = MAX_DIGITS - DECIMAL_PLACES
_MAX_BIGINT = 2**63 - 1
# Wide enough for the sum of 10**20 rows; the default context would round at 28 digits.
_CONTEXT = Context(prec=80, rounding=ROUND_HALF_EVEN)


def to_exact(value: Any) -> Decimal:
    """`value` (Decimal, int, str or float) at 12 places, half to even; a float counts as the digits that Python prints for it.

    Raises ValidationError, with the value, where it is not a finite number of at most 12 integer digits.
    """
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str, float)):
        raise _invalid(value)
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        raise _invalid(value) from None
    if not number.is_finite():
        raise _invalid(value)
    if number and number.adjusted() >= _INTEGER_DIGITS:
        raise _out_of_range(value)
    exact = number.quantize(_PICO, context=_CONTEXT)
    if exact and exact.adjusted() >= _INTEGER_DIGITS:
        raise _out_of_range(value)
    return exact


def _invalid(value: object) -> ValidationError:
    return ValidationError(_("%(value)r is not a decimal number."), code="invalid", params={"value": value})


def _out_of_range(value: object) -> ValidationError:
    message = _("%(value)s is out of range: this database holds amounts of at most %(limit)s.")
    return ValidationError(message, code="out_of_range", params={"value": value, "limit": 10**_INTEGER_DIGITS})


def _to_pico(amount: Decimal) -> int:
    pico = int(amount.scaleb(DECIMAL_PLACES, context=_CONTEXT))
    if abs(pico) > _MAX_BIGINT:
        message = _("%(value)s is out of range: SQLite holds amounts of at most %(limit)s.")
        raise ValidationError(message, code="out_of_range", params={"value": amount, "limit": _from_pico(_MAX_BIGINT)})
    return pico


def _from_pico(pico: Decimal | int) -> Decimal:
    return Decimal(pico).scaleb(-DECIMAL_PLACES, context=_CONTEXT).quantize(_PICO, context=_CONTEXT)


def _from_sqlite(value: object, expression: Expression) -> Decimal:
    if isinstance(expression, models.Variance):
        raise NotSupportedError(
            "the variance of an exact amount is in squared pico-units on SQLite; use StdDev instead"
        )
    if isinstance(value, int):
        return _from_pico(value)
    if isinstance(value, str):  # ExactSum past 64 bits
        high, low = value.split(":")
        return _from_pico(int(high) * _SUM_BASE + int(low))
    if not isinstance(value, float):
        raise TypeError(
            f"an amount came from SQLite as {value!r}, which is neither pico-units nor a number of the older schema"
        )
    if isinstance(expression, Col):  # written by code that knows the older schema only
        return Decimal(repr(value)).quantize(_PICO, context=_CONTEXT)
    return _from_pico(Decimal(repr(value)))  # AVG and the like


class _ExactStorage:
    """What a column of amounts and an expression over one have in common: conversion between Python and the database."""

    def get_internal_type(self) -> str:
        # Not "DecimalField": Django's SQLite backend would take pico-units for an amount.
        return "ExactDecimalField"

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        if connection.vendor == "sqlite":
            return "bigint"
        column_type = connection.data_types["DecimalField"]
        assert isinstance(column_type, str)  # noqa: S101  (callables are for CharField only)
        return column_type % {"max_digits": MAX_DIGITS, "decimal_places": DECIMAL_PLACES}

    def to_python(self, value: Any) -> Decimal | None:
        return None if value is None else to_exact(value)

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(value)

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        amount = self.to_python(value)
        if amount is None:
            return None
        if connection.vendor == "sqlite":
            return _to_pico(amount)
        return connection.ops.adapt_decimalfield_value(amount, MAX_DIGITS, DECIMAL_PLACES)

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        # As Field has it, because the DecimalField of Django 5.1 saves what `get_db_prep_value` has not seen: on SQLite no pico-units.
        return value if hasattr(value, "as_sql") else self.get_db_prep_value(value, connection)

    def from_db_value(self, value: Any, expression: Expression, connection: BaseDatabaseWrapper) -> Decimal | None:
        if value is None or isinstance(value, Decimal):
            return value
        return _from_sqlite(value, expression) if connection.vendor == "sqlite" else to_exact(value)


class ExactExpressionField(_ExactStorage, _AnyField):
    """The output of an expression over amounts.

    Deliberately no DecimalField: Django makes a plain DecimalField of arithmetic on one, which on SQLite knows nothing of pico-units.
    So mixing an amount with a bare Decimal is an error that says so, on every database; `exact_value` is the way to write one.
    """


class ExactDecimalField(_ExactStorage, GenericDecimalField[_ST_contra, _GT_co]):
    """An amount of money: a Decimal at 12 places, never rounded by the database."""

    description = _("Exact decimal number")

    if TYPE_CHECKING:
        _pyi_private_set_type: str | float | Decimal | Combinable
        _pyi_private_get_type: Decimal

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what DecimalField takes; digits and places are fixed."""
        super().__init__(*args, **{**kwargs, "max_digits": MAX_DIGITS, "decimal_places": DECIMAL_PLACES})

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, "agentcore_metering.adapters.django.fields.ExactDecimalField", args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The amount to store; the instance gets the same, so it reads as the row will."""
        value = getattr(model_instance, self.attname)
        if not hasattr(value, "resolve_expression"):
            value = self.to_python(value)
            setattr(model_instance, self.attname, value)
        return value

    def get_col(self, alias: str, output_field: models.Field[Any, Any] | None = None) -> Col:
        own = output_field is None or output_field is self
        return Col(alias, self, ExactExpressionField() if own else output_field)

    @cached_property
    def cached_col(self) -> Col:
        return self.get_col(self.model._meta.db_table)


for _connector in (Combinable.ADD, Combinable.SUB):
    register_combinable_fields(ExactExpressionField, _connector, ExactExpressionField, ExactExpressionField)
register_combinable_fields(ExactExpressionField, Combinable.MUL, models.IntegerField, ExactExpressionField)
register_combinable_fields(models.IntegerField, Combinable.MUL, ExactExpressionField, ExactExpressionField)


def exact_value(amount: Decimal | int | str) -> models.Value:
    """An amount for an expression with a column of amounts, where Django would take a bare Decimal for one of its own."""
    return models.Value(to_exact(amount), output_field=ExactExpressionField())


_SUM_BASE = 10**6
# Up to here high * 10**6 + low fits 64 bits, with room for a low part of 2 * 10**11 rows.
_SUM_LIMIT = 9 * 10**12


class _StoredPico(models.Func):
    """Its column, on SQLite with amounts of the older schema (REAL) as pico-units."""

    arity = 1
    template = "%(expressions)s"

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        if not isinstance(self.source_expressions[0], Col):
            return self.as_sql(compiler, connection, **context)
        older = "CAST(ROUND(%(expressions)s * 1e12) AS INTEGER)"
        template = f"CASE typeof(%(expressions)s) WHEN 'real' THEN {older} ELSE %(expressions)s END"
        return self.as_sql(compiler, connection, template=template, **context)


class ExactSum(models.Aggregate):
    """Sum over a column of amounts: an exact Decimal, or None over no rows.

    SQLite alone fails past 64 bits, which is 9.2 million currency units. Here it sums two parts, whose total is an integer where
    that fits and else text, which SQLite sorts behind every integer: ordering by a sum and comparing with one work either way.
    """

    function = "SUM"
    name = "ExactSum"
    arity = 1
    window_compatible = False

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        # A percent sign is formatted away twice: with the template, and with the parameters.
        high, parameters = self._part(f"/ {_SUM_BASE}").as_sql(compiler, connection, **context)
        low, _same = self._part(f"%%%% {_SUM_BASE}").as_sql(compiler, connection, **context)
        sql = (
            f"CASE WHEN {high} IS NULL THEN NULL "
            f"WHEN {high} BETWEEN {-_SUM_LIMIT} AND {_SUM_LIMIT} THEN {high} * {_SUM_BASE} + {low} "
            f"ELSE printf('%%020d:%%d', {high}, {low}) END"
        )
        return sql, (*parameters,) * 6  # high stands there four times, low twice

    def _part(self, operation: str) -> ExactSum:
        part: ExactSum = self.copy()
        part.set_source_expressions([_StoredPico(self.source_expressions[0]), self.filter])
        part.template = f"SUM((%(expressions)s) {operation})"
        return part
