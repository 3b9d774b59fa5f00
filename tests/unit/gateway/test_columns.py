"""Who reads a column of a Parquet file has the same column of the other row groups fetched ahead, and no more."""

from __future__ import annotations

import os
from typing import Any, Callable, List, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluxiofs.gateway.columns import Columns, Recent, chunks_of, footer_at
from alluxiofs.gateway.foresight import groups_of
from alluxiofs.gateway.keeping import PART
from alluxiofs.pagestores.memory import MemoryPageStore
from alluxiofs.settings.types import Size
from alluxiofs.testing import make_context
from tests.unit.gateway.conftest import Assembled

PAGE = 8 * PART
Chunks = List[List[Tuple[int, int]]]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def struct(*fields: Tuple[int, int, bytes]) -> bytes:
    """Fields as number, type and value, in the Thrift compact protocol."""
    out, last = b"", 0
    for number, kind, value in fields:
        step = number - last
        out += (bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + varint(2 * number)) + value
        last = number
    return out + b"\0"


def integer(number: int) -> bytes:
    return varint(2 * number)


def items(kind: int, values: List[bytes]) -> bytes:
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([15 << 4 | kind]) + varint(len(values))
    return head + b"".join(values)


def footer_of(chunks: Chunks) -> bytes:
    """What Parquet's format has of these, with some of what else it has."""
    groups = []
    for columns in chunks:
        metas = [
            struct(
                (1, 5, integer(5)),
                (3, 9, items(8, [b"\x04name"])),
                (7, 6, integer(end - begin)),
                (9, 6, integer(begin + 1)),
                (11, 6, integer(begin)),
                (12, 12, struct((1, 1, b""), (9, 8, b"\x01x"))),
            )
            for begin, end in columns
        ]
        listed = [struct((2, 6, integer(0)), (3, 12, meta)) for meta in metas]
        groups.append(struct((1, 9, items(12, listed)), (2, 6, integer(1000))))
    schema = struct((1, 5, integer(1)), (4, 8, b"\x06schema"), (30, 7, b"12345678"))
    return struct((1, 5, integer(2)), (2, 9, items(12, [schema])), (3, 6, integer(77)), (4, 9, items(12, groups)))


Chunk = st.tuples(st.integers(1, 2**40), st.integers(1, 2**30)).map(lambda pair: (pair[0], sum(pair)))


@given(st.lists(st.lists(Chunk, max_size=20), max_size=20))
def test_a_footer_says_where_the_chunks_are(chunks: Chunks) -> None:
    assert chunks_of(footer_of(chunks), 2**41) == chunks
    end = max((end for columns in chunks for _, end in columns), default=0)
    assert chunks_of(footer_of(chunks), end - 1) == [] or not end, "chunks outside of the file are not believed"


@given(st.one_of(st.binary(max_size=300), st.integers(0, 300).map(lambda cut: footer_of([[(4, 9)] * 9] * 3)[:cut])))
def test_what_is_no_footer_says_nothing(data: bytes) -> None:
    assert not any(chunks_of(data, 2)), "whatever it says lies outside"
    chunks_of(data, 2**40)


def test_the_last_bytes_say_where_the_footer_is() -> None:
    assert footer_at(b"\x10\0\0\0PAR1", 100) == (76, 92)
    for tail in (b"\x10\0\0\0PAR2", b"\xff\xff\xff\x7fPAR1", b"\0\0\0\0PAR1", b"PAR1"):
        assert footer_at(tail, 100) is None


def test_the_nearest_row_groups_come_first_and_near_chunks_together() -> None:
    mib = 2**20
    columns = Columns(
        [[(mib * group + 4, mib * group + 50), (mib * group + 50, mib * group + 90)] for group in range(4)]
    )
    assert columns.beside(2 * mib + 60, 2 * mib + 61) == [
        (3 * mib + 50, 3 * mib + 90),
        (mib + 50, mib + 90),
        (50, 90),
    ]
    assert columns.beside(mib + 90, mib + 95) == []
    assert columns.beside(mib + 60, mib + 61, frozenset([0, 9]))[:2] == [
        (mib + 4, mib + 50),
        (2 * mib + 4, 2 * mib + 90),
    ]
    assert not Columns([])


def test_a_wide_gap_is_fetched_where_a_third_of_all_is_wanted() -> None:
    kib = 2**10
    wide = Columns([[(1, 200 * kib), (200 * kib, 440 * kib), (440 * kib, 460 * kib)] for _ in range(2)])
    assert wide.beside(0, 0, frozenset()) == []
    columns = [(9000 * kib, 9001 * kib), (1, 200 * kib), (200 * kib, 440 * kib), (440 * kib, 460 * kib)]
    assert Columns([columns]).beside(9000 * kib, 9001 * kib, frozenset([1, 3])) == [(1, 460 * kib)]
    narrow = [(9000 * kib, 9001 * kib), (1, 20 * kib), (20 * kib, 240 * kib), (240 * kib, 260 * kib)]
    found = Columns([narrow]).beside(9000 * kib, 9001 * kib, frozenset([1, 3]))
    assert sorted(found) == [(1, 20 * kib), (240 * kib, 260 * kib)]


def test_files_that_are_read_side_by_side_are_read_as_the_one_before_them_all() -> None:
    recent = Recent()
    first, second, third, fourth = (
        Columns([[(9 * column + 1, 9 * column + 9) for column in range(5)]]) for _ in "1234"
    )
    assert recent.before("d/1", first) is None
    first.beside(1, 2)
    first.beside(19, 20)
    assert recent.before("d/2", second) is first
    second.beside(1, 2)
    assert recent.before("d/3", third) is second
    assert second.read | second.before == {0, 2}
    third.beside(37, 38)
    assert recent.before("d/4", fourth) is third
    assert third.read | third.before == {0, 4}, "what nobody has read lately is forgotten"


@pytest.fixture
def table(assemble: Callable[..., Assembled]) -> Tuple[Assembled, bytes, Chunks]:
    """A file of four row groups of three columns; the middle one is the largest."""
    chunks: Chunks = []
    at = 4
    for _ in range(4):
        columns = []
        for size in (50_000, 12 * PART, 70_000):
            columns.append((at, at + size))
            at += size
        chunks.append(columns)
    footer = footer_of(chunks)
    data = os.urandom(at) + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    store: Any = MemoryPageStore(MemoryPageStore.Settings(capacity=Size(2**26)), make_context(), PAGE)
    assembled = assemble(page_store=store, page_size=PAGE)
    assembled.store.put("f", data)
    return assembled, data, chunks


def test_a_column_is_fetched_in_all_row_groups_and_the_others_are_not(
    table: Tuple[Assembled, bytes, Chunks],
) -> None:
    assembled, data, chunks = table
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    assert opened.read(len(data) - 8, 8)[4:] == b"PAR1"
    for column in (0, 2):
        for group in (1, 0, 2, 3):
            begin, end = chunks[group][column]
            assert opened.read(begin, end - begin) == data[begin:end]
    fetched = [(offset, length) for _, _, offset, length in assembled.store.reads()]
    assert sum(length for _, length in fetched) < len(data) // 2
    assert len({offset for offset, _ in fetched}) == len(fetched)
    begin, end = chunks[0][1]
    assert opened.read(begin, end - begin) == data[begin:end]


def test_the_next_file_is_read_as_the_one_before(table: Tuple[Assembled, bytes, Chunks]) -> None:
    assembled, data, chunks = table
    for name in ("d/day=1/x", "d/day=2/x"):
        assembled.store.put(name, data)
        opened = assembled.gateway.open(assembled.gateway.locate(name))
        opened.read(len(data) - 8, 8)
        for column in (0, 2) if name == "d/day=1/x" else (0,):
            for group in range(4):
                begin, end = chunks[group][column]
                assert opened.read(begin, end - begin) == data[begin:end]
    begin, end = chunks[1][2]
    assert opened.read_kept(begin, end - begin) in (None, data[begin:end])
    # Whoever reads on waits for what is on its way, and asks for nothing that is.
    before = assembled.store.reads()
    assert opened.read(begin, end - begin) == data[begin:end]
    assert len([each for each in before if each[1] == "d/day=2/x"]) > 4


def test_what_is_in_the_same_page_comes_with_the_read_itself(table: Tuple[Assembled, bytes, Chunks]) -> None:
    assembled, data, chunks = table
    begin, end = chunks[0][2]
    after = chunks[1][0]
    assert begin // PAGE == (after[1] - 1) // PAGE
    for name in ("d/1", "d/2"):
        assembled.store.put(name, data)
        opened = assembled.gateway.open(assembled.gateway.locate(name))
        opened.read(len(data) - 8, 8)
        assert opened.read(after[0], after[1] - after[0]) == data[after[0] : after[1]]
        if name == "d/1":
            assert opened.read_kept(begin, end - begin) is None
            assert opened.read(begin, end - begin) == data[begin:end]
    assert opened.read_kept(begin, end - begin) == data[begin:end]
    seen = [
        number
        for _, name, offset, length in assembled.store.reads()
        if name == "d/2"
        for number in range(offset // PART, -(-(offset + length) // PART))
    ]
    assert len(set(seen)) == len(seen), "a part was fetched twice"


def test_who_reads_most_of_a_file_has_nothing_else_fetched(table: Tuple[Assembled, bytes, Chunks]) -> None:
    assembled, data, _ = table
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.read(len(data) - 8, 8)
    most = len(data) // 2 + 1
    assert opened.read(4, most) == data[4 : 4 + most]
    assert len(assembled.store.reads()) == 2
    assert opened.read(0, len(data)) == data


def test_chunks_in_the_same_pages_are_sent_for_together() -> None:
    chunks = [(5 * PAGE, 5 * PAGE + 9), (PAGE - 1, PAGE + 1), (10, 20), (3 * PAGE, 4 * PAGE)]
    assert groups_of(chunks, PAGE) == [
        (range(5, 6), [(5 * PAGE, 5 * PAGE + 9)]),
        (range(2), [(10, 20), (PAGE - 1, PAGE + 1)]),
        (range(3, 4), [(3 * PAGE, 4 * PAGE)]),
    ]


def test_what_lies_between_columns_is_not_fetched_though_parts_beside_it_are_kept(
    table: Tuple[Assembled, bytes, Chunks],
) -> None:
    assembled, data, chunks = table
    opened = assembled.gateway.open(assembled.gateway.locate("f"))
    opened.read(len(data) - 8, 8)
    for column in (0, 2):
        for group in range(4):
            begin, end = chunks[group][column]
            for at in range(begin, end, 1000):  # each goes on where a kept part ends, sooner or later
                assert opened.read(at, 1000) == data[at : at + 1000]
    fetched = sum(length for _, _, _, length in assembled.store.reads())
    assert fetched < len(data) // 2


def test_a_footer_that_lies_costs_no_wrong_byte(table: Tuple[Assembled, bytes, Chunks]) -> None:
    assembled, data, chunks = table
    lying = footer_of([[(end - 3, end + 3) for _, end in columns] for columns in reversed(chunks[:3])])
    data = data[: chunks[-1][-1][1]] + lying + len(lying).to_bytes(4, "little") + b"PAR1"
    assembled.store.put("f", data)
    opened = assembled.gateway.open(assembled.gateway.locate("f"), refresh=True)
    opened.read(len(data) - 100, 100)
    for columns in chunks:
        for begin, end in columns:
            assert opened.read(begin, end - begin) == data[begin:end]


@pytest.mark.parametrize(
    "footer",
    [
        bytes([0x48, *[0xFF] * 9, 0x7F]),  # a text of 2^70 bytes
        bytes([0x49, 0xF7, *[0xFF] * 5, 0x7F]),  # a list of 2^42 numbers
        bytes([0x49, 0xFC, *[0xFF] * 5, 0x7F]) * 100,
    ],
)
def test_a_footer_that_promises_more_than_it_has_says_nothing(footer: bytes) -> None:
    assert chunks_of(footer, 2**40) == []
