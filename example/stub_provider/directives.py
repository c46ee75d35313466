"""The `[[stub: ...]]` directive: its keys, its grammar and the function that writes one.

Knows nothing of HTTP or of any provider's format. What a key does to an answer is decided in `answers` and `plans`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Finish: TypeAlias = Literal["stop", "length", "content_filter"]

_OPENING: Final = "[[stub:"
# Quoted values may hold "]]"; everything else ends at the first one.
_DIRECTIVE: Final = re.compile(
    r"""\[\[stub:((?:"(?:\\.|[^"\\])*"|'[^']*'|[^"'\]]|\](?!\]))*)\]\]""",
    re.DOTALL,
)


class DirectiveError(ValueError):
    """A directive that cannot be obeyed; the server answers it with HTTP 400 and this message."""


@dataclass(frozen=True, slots=True)
class Directive:
    """What one request asks of the stub. None or False: the key was not given.

    A field is named as its key, with an underscore after `in`, which Python reserves. Times are in seconds.
    """

    in_: int | None = None
    out: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    cost: Decimal | None = None
    no_usage: bool = False
    usage_early: bool = False
    seconds: Decimal | None = None
    model: str | None = None
    text: str | None = None
    think: str | None = None
    tool: str | None = None
    chunks: int | None = None
    finish: Finish = "stop"
    empty: bool = False
    bad_json: bool = False
    bad_json_times: int | None = None
    delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    status: int | None = None
    retry_after: str | None = None
    echo_key: bool = False
    refuse: bool = False
    break_after: int | None = None
    hang_after: int | None = None
    keep_alive_s: float = 0.0
    fail_times: int | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.key is None and (self.fail_times is not None or self.bad_json_times is not None):
            raise DirectiveError("fail_times and bad_json_times count the requests of one key; add key=some-name")
        endings = [name for name in ("status", "break_after", "hang_after") if getattr(self, name) is not None]
        endings += ["refuse"] if self.refuse else []
        if len(endings) > 1:
            raise DirectiveError(f"{' and '.join(endings)} exclude each other; keep one")
        if self.keep_alive_s and self.hang_after is None:
            raise DirectiveError("keep_alive_s belongs to a silence; add hang_after=0 or another number of deltas")
        if (self.retry_after or self.echo_key) and self.status is None and self.fail_times is None:
            raise DirectiveError("retry_after and echo_key belong to an error; add status=429 or another one")


def directive(**options: str | float | Decimal) -> str:
    """Text of a directive with `options`; put it anywhere in the last user message.

    A trailing underscore is dropped from a name, so `in_=12` gives `in=12`. Flags take True or False.
    Raises DirectiveError where the server would answer 400.
    """
    pairs = {name.rstrip("_"): str(value) for name, value in options.items()}
    _from_pairs(pairs)
    return f"{_OPENING} {' '.join(f'{key}={_quoted(value)}' for key, value in pairs.items())}]]"


def parse_directive(text: str) -> Directive:
    """The one directive inside `text`, or the default one when there is none.

    Raises DirectiveError for a directive that is not closed, a second one, an unknown or repeated key, or a bad value.
    """
    bodies = _DIRECTIVE.findall(text)
    if text.count(_OPENING) > len(bodies) and _OPENING in _DIRECTIVE.sub("", text):
        raise DirectiveError(f"a directive opens with {_OPENING!r} but is not closed by ']]', or a quote is left open")
    if len(bodies) > 1:
        raise DirectiveError(f"{len(bodies)} directives in one message; put all keys into one")
    return _from_pairs(_pairs(bodies[0])) if bodies else Directive()


def without_directives(text: str) -> str:
    """`text` as a person would read it: every directive cut out, ends trimmed."""
    return _DIRECTIVE.sub("", text).strip()


def _pairs(body: str) -> dict[str, str]:
    try:
        words = shlex.split(body)
    except ValueError as error:
        raise DirectiveError(f"cannot split {body!r}: {error}") from error
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise DirectiveError(f"{word!r} is not key=value; quote a value that has spaces")
        if key in pairs:
            raise DirectiveError(f"key {key!r} is given twice")
        pairs[key] = value
    return pairs


def _from_pairs(pairs: Mapping[str, str]) -> Directive:
    values: dict[str, object] = {}
    for key, value in pairs.items():
        if key not in _PARSERS:
            raise DirectiveError(f"unknown key {key!r}; known keys: {', '.join(_PARSERS)}")
        try:
            values["in_" if key == "in" else key] = _PARSERS[key](value)
        except (ValueError, InvalidOperation) as error:
            raise DirectiveError(f"{key}={value!r} is not usable: {error}") from error
    return Directive(**values)  # type: ignore[arg-type]  # every value comes from its key's own parser


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return escaped if re.fullmatch(r"[\w.+-]+", value) else f'"{escaped}"'


def _count(value: str) -> int:
    count = int(value)
    if count < 0:
        raise ValueError("must be 0 or more")
    return count


def _positive(value: str) -> int:
    count = _count(value)
    if count == 0:
        raise ValueError("must be 1 or more")
    return count


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 3600:
        raise ValueError("must lie between 0 and 3600 seconds")
    return seconds


def _amount(value: str) -> Decimal:
    amount = Decimal(value)
    if not amount.is_finite() or amount < 0:
        raise ValueError("must be a finite amount, 0 or more")
    return amount


def _status(value: str) -> int:
    status = int(value)
    if not 400 <= status <= 599:
        raise ValueError("must be an HTTP error status, 400 to 599")
    return status


def _flag(value: str) -> bool:
    flags = {"1": True, "true": True, "0": False, "false": False}
    if value.lower() not in flags:
        raise ValueError("must be 1 or 0")
    return flags[value.lower()]


def _finish(value: str) -> Finish:
    for known in get_args(Finish):
        if value == known:
            return known  # type: ignore[no-any-return]  # get_args is untyped; these are the literals of Finish
    raise ValueError(f"must be one of {', '.join(get_args(Finish))}")


_KINDS: Final[dict[str, Callable[[str], object]]] = {
    "int | None": _count,
    "float": _seconds,
    "Decimal | None": _amount,
    "bool": _flag,
    "str | None": str,
    "Finish": _finish,
}
_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    **{field.name.rstrip("_"): _KINDS[str(field.type)] for field in fields(Directive)},
    "chunks": _positive,
    "status": _status,
}
