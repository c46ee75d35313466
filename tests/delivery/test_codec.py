"""Every record survives its line; no damage to a file costs more than the lines that it hit."""

from __future__ import annotations

import json
import random
import zlib
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentcore_metering.core.types import AttemptRecord, AttemptStart, CallContext, ResponseFacts, Usage, UsageSource
from agentcore_metering.delivery import codec
from agentcore_metering.delivery.codec import (
    MAX_LINE_BYTES,
    Entry,
    Reason,
    Unreadable,
    count_ends,
    encode,
    encode_end,
    from_text,
    is_start,
    read_lines,
    read_whole_lines,
    to_text,
)
from tests.delivery.builders import end_of, make_full_record, make_record, make_start, with_key_of_a_mark

WIDE = "x" * (MAX_LINE_BYTES + 1)


class Stubborn:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def read(content: bytes) -> list[Entry]:
    return list(read_lines(content))


def only_record(content: bytes) -> AttemptRecord:
    (entry,) = read(content)
    assert isinstance(entry, AttemptRecord)
    return entry


def start_of(record: AttemptRecord) -> AttemptStart:
    return AttemptStart(**{item.name: getattr(record, item.name) for item in fields(AttemptStart)})


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def with_metadata(**metadata: Any) -> AttemptRecord:
    return make_record(context=CallContext(metadata=metadata))


def line_of(packed: Any) -> bytes:
    body = json.dumps(packed, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(body), body)


def test_full_record_has_a_value_in_every_field() -> None:
    def empty_fields(value: Any) -> list[str]:
        empty = [item.name for item in fields(value) if getattr(value, item.name) in (None, (), {})]
        inner = [getattr(value, item.name) for item in fields(value) if is_dataclass(getattr(value, item.name))]
        return empty + [name for part in inner for name in empty_fields(part)]

    assert empty_fields(make_full_record()) == []


def test_end_says_the_same_with_the_help_of_its_start() -> None:
    record = make_full_record()
    start = start_of(record)

    line = encode_end(record, start, encode(start))

    assert only_record(line) == only_record(encode(record)) == record
    assert count_ends(line) == 1
    assert not is_start(line)


@pytest.mark.parametrize(
    "change",
    [{"attempt": 7}, {"context": CallContext(node_name="other")}, {"trace": None}],
    ids=lambda change: next(iter(change)),
)
def test_end_that_is_not_its_starts_is_written_for_itself(change: dict[str, Any]) -> None:
    record = make_full_record()
    start = replace(start_of(record), **change)

    assert only_record(encode_end(record, start, encode(start))) == record


def test_long_start_costs_the_end_nothing() -> None:
    """A start that lost its metadata for its length is not what the end is made of."""
    record = make_record(context=CallContext(node_name="a", metadata={"long": "x" * (MAX_LINE_BYTES // 2)}))
    start = start_of(record)

    assert encode_end(record, start, encode(start)) == encode(record)


def test_end_too_long_with_its_start_is_shortened_like_any_other() -> None:
    record = make_record(notes={"long": WIDE})
    start = start_of(record)

    assert encode_end(record, start, encode(start)) == encode(record)


def test_record_with_every_field_survives_its_line() -> None:
    record = make_full_record()

    found = only_record(encode(record))

    # None inside JSON is dropped by to_json, as the row drops it.
    assert found == replace(
        record, context=replace(record.context, metadata={"trace_id": "h-7", "n": {"a": [1, None]}})
    )
    assert found.cost is not None
    assert found.cost.amount.as_tuple() == Decimal("0.000019200000").as_tuple()
    assert found.duration_s == 0.30000000000000004


def test_record_with_defaults_survives_its_line() -> None:
    record = make_record()

    assert only_record(encode(record)) == record


def test_start_survives_its_line() -> None:
    start = make_start(trace=make_full_record().trace)

    assert read(encode(start)) == [start]
    assert is_start(encode(start))
    assert not is_start(encode(end_of(start)))


@given(
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    seconds=st.floats(min_value=0, max_value=1e9),
    user=st.none() | st.integers() | st.text(),
    metadata=st.dictionaries(
        st.text(), st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
    ),
)
def test_any_figures_survive_their_line(amount: Decimal, seconds: float, user: Any, metadata: dict[str, Any]) -> None:
    facts = ResponseFacts(provider_cost=amount)
    record = make_record(facts=facts, duration_s=seconds, context=CallContext(user_id=user, metadata=metadata))

    found = only_record(encode(record))

    assert found == record
    assert found.facts.provider_cost is not None
    assert found.facts.provider_cost.as_tuple() == amount.as_tuple()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1.50"), "1.50"),
        ({1, 2}, [1, 2]),
        (float("nan"), "nan"),
        (b"raw", "b'raw'"),
        (make_start().id.__class__(int=7), "00000000-0000-0000-0000-000000000007"),
    ],
    ids=["decimal", "set", "nan", "bytes", "uuid"],
)
def test_metadata_that_json_cannot_hold_becomes_text(value: Any, text: Any) -> None:
    assert only_record(encode(with_metadata(value=value))).context.metadata == {"value": text}


def test_metadata_whose_text_fails_is_marked_and_the_record_stays() -> None:
    found = only_record(encode(with_metadata(value=Stubborn())))

    assert found.context.metadata == {"unreadable": "dict: RuntimeError"}


def test_user_id_of_another_type_becomes_text() -> None:
    start = make_start()

    found = only_record(encode(make_record(context=CallContext(user_id=start.id))))  # type: ignore[arg-type]  # a host may

    assert found.context.user_id == str(start.id)


def test_metadata_that_is_nested_too_deep_is_marked_and_the_record_stays() -> None:
    assert only_record(encode(with_metadata(value=nested(2_000)))).context.metadata == {
        "unreadable": "dict: RecursionError"
    }


def test_metadata_with_a_number_that_json_cannot_write_is_dropped_with_a_mark() -> None:
    found = only_record(encode(with_metadata(value=10**5_000)))

    assert found.context.metadata == {}
    assert found.notes == {"dropped_oversize": ["metadata"]}


def test_oversize_part_is_dropped_with_a_mark_and_the_others_stay() -> None:
    usage = Usage(input_tokens=7, output_tokens=5, source=UsageSource.PROVIDER, raw={"blob": WIDE})
    record = make_record(facts=ResponseFacts(usage=usage), notes={"kept": 1})

    line = encode(record)

    assert len(line) < MAX_LINE_BYTES
    found = only_record(line)
    assert found.facts.usage == replace(usage, raw=None)
    assert found.notes == {"kept": 1, "dropped_oversize": ["raw"]}
    assert found.context == record.context


def test_oversize_parts_together_go_largest_first() -> None:
    usage = Usage(1, 1, source=UsageSource.PROVIDER, raw={"blob": WIDE})
    record = make_record(
        facts=ResponseFacts(usage=usage), notes={"blob": WIDE * 2}, context=CallContext(metadata={"id": "h-7"})
    )

    found = only_record(encode(record))

    assert found.notes == {"dropped_oversize": ["notes", "raw"]}
    assert found.context.metadata == {"id": "h-7"}


def test_oversize_start_loses_its_metadata_with_a_mark() -> None:
    start = make_start(context=CallContext(user_id=1, metadata={"blob": WIDE}))

    assert read(encode(start)) == [
        replace(start, context=CallContext(user_id=1, metadata={"dropped_oversize": ["metadata"]}))
    ]


def test_oversize_texts_are_shortened_and_the_figures_stay() -> None:
    usage = Usage(7, 5, anomalies=("odd",) * 5_000)
    record = make_record(context=CallContext(node_name=WIDE), facts=ResponseFacts(usage=usage))

    found = only_record(encode(record))

    assert found.context.node_name == "x" * 1_000
    assert (found.facts.usage.input_tokens, found.facts.usage.output_tokens) == (7, 5)


def test_number_that_is_none_becomes_text_and_the_others_stay() -> None:
    usage = Usage(input_tokens=10**5_000, output_tokens=7)

    found = only_record(encode(make_record(facts=ResponseFacts(usage=usage))))

    assert str(found.facts.usage.input_tokens).startswith("0x")
    assert found.facts.usage.output_tokens == 7


def test_line_that_nothing_makes_short_enough_is_a_value_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_LINE_BYTES", 100)

    with pytest.raises(ValueError, match="cannot be written as a line of at most 100 bytes"):
        encode(make_record())


def test_widest_texts_everywhere_still_fit_a_line() -> None:
    def widest(value: Any) -> Any:
        if is_dataclass(value):
            return replace(value, **{item.name: widest(getattr(value, item.name)) for item in fields(value)})  # type: ignore[type-var]
        return "\U0001f600" * 9_000 if type(value) is str else value

    assert len(encode(widest(make_full_record()))) <= MAX_LINE_BYTES


def test_line_is_ascii_without_line_feed_or_zero_inside() -> None:
    line = encode(with_metadata(value="a\nb\x00c é \ud83d"))

    assert line.isascii()
    assert line.index(b"\n") == len(line) - 1
    assert b"\0" not in line


def test_to_text_is_the_records_json() -> None:
    assert json.loads(to_text(make_record("k")))["context"]["metadata"] == {"key": "k"}


@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        ({"v": 2, "k": "e", "future": True}, Unreadable(Reason.NEWER, 2)),
        ({"v": 1, "k": "?"}, Unreadable(Reason.MALFORMED)),
        ({"v": 1, "k": "e"}, Unreadable(Reason.MALFORMED)),
        ({"v": 1, "k": "e", "id": 7}, Unreadable(Reason.MALFORMED)),
        ({"v": "one", "k": "e"}, Unreadable(Reason.MALFORMED)),
        ([1, 2], Unreadable(Reason.MALFORMED)),
        (None, Unreadable(Reason.MALFORMED)),
    ],
    ids=["newer version", "unknown kind", "no fields", "wrong type", "version no number", "a list", "null"],
)
def test_whole_line_that_is_no_record_is_told_and_the_next_is_read(packed: Any, expected: Unreadable) -> None:
    record = make_record()

    assert read(line_of(packed) + encode(record)) == [expected, record]


def test_unknown_field_is_passed_over() -> None:
    record = make_record()
    packed = json.loads(to_text(record)) | {"invented_later": 1}

    assert only_record(line_of(packed)) == record


def test_reserved_room_behind_the_lines_is_nothing() -> None:
    record = make_record()

    assert read(encode(record) + b"\0" * 500) == [record]
    assert read(b"\0" * 500) == []
    assert read(b"") == []


def test_torn_last_line_is_told_once() -> None:
    whole, torn = make_record(), encode(make_record())

    assert read(encode(whole) + torn[: len(torn) // 2] + b"\0" * 100) == [whole, Unreadable(Reason.DAMAGED)]


def test_damage_that_looks_like_a_line_feed_is_one_damage() -> None:
    before, after = make_record("before"), make_record("after")
    line = encode(make_record("hit"))
    parted = line[:40] + b"\n" + line[41:90] + b"\n" + line[91:]

    assert read(encode(before) + parted + encode(after)) == [before, Unreadable(Reason.DAMAGED), after]


def test_lines_next_to_each_other_that_are_both_damaged_are_told_one_by_one() -> None:
    lines = [encode(make_record(key)) for key in "ab"]
    damaged = [line[:40] + b"?" + line[41:] for line in lines]

    assert read(b"".join(damaged)) == [Unreadable(Reason.DAMAGED)] * 2


def test_lost_line_feed_costs_no_record() -> None:
    records = [make_record(), make_record(), make_record()]
    content = bytearray(b"".join(map(encode, records)))
    content[len(encode(records[0])) - 1] ^= 0xFF

    assert read(bytes(content)) == records


def test_lost_block_costs_the_lines_that_it_hit() -> None:
    records = [make_record() for _ in range(4)]
    lines = [encode(record) for record in records]
    content = lines[0] + lines[1][:40] + b"\0" * 200 + lines[2][20:] + lines[3]

    assert [entry for entry in read(content) if isinstance(entry, AttemptRecord)] == [records[0], records[3]]


def test_line_begin_inside_a_host_text_is_no_line() -> None:
    forged = encode(make_record()).decode().rstrip("\n")
    honest = with_metadata(value=forged)

    (entry,) = read(encode(honest)[:-40])

    assert entry == Unreadable(Reason.DAMAGED)


def test_two_hundred_random_damages_cost_at_most_the_lines_hit() -> None:
    chance = random.Random(20_261_124)
    records = [make_record(str(number)) for number in range(20)]
    content = b"".join(map(encode, records))
    for _ in range(200):
        damaged = bytearray(content)
        place = chance.randrange(len(damaged))
        if chance.random() < 0.5:
            damaged[place] ^= 1 << chance.randrange(8)
            allowed = 2  # a line feed made of another byte parts a line in two; one turned into another joins two
        else:
            del damaged[place:]
            allowed = len(records) - content[:place].count(b"\n")

        found = [entry for entry in read(bytes(damaged)) if isinstance(entry, AttemptRecord)]

        assert len(found) >= len(records) - allowed
        assert all(entry in records for entry in found)


def test_text_reads_back_as_the_record() -> None:
    record = make_full_record()

    assert from_text(to_text(record)) == record


@pytest.mark.parametrize("behind", [b"", b"0badc0de {}\n", b'00000000 {"v":1', b"\n", b"\xff"])
def test_whole_lines_end_before_the_first_one_that_is_not_whole(behind: bytes) -> None:
    records = [make_record("a"), make_record("b")]
    whole = b"".join(map(encode, records))

    assert read_whole_lines(whole + behind + encode(make_record("c"))[:-1]) == (records, len(whole))


def test_ends_are_counted_without_being_read() -> None:
    entries: list[AttemptStart | AttemptRecord] = [
        make_start("a"),
        make_record("b"),
        with_key_of_a_mark(make_record("c")),
    ]

    assert count_ends(b"".join(map(encode, entries))) == 2
