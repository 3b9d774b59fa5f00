"""PyArrow, both ways: over the fsspec filesystem, and through ``PyFileSystem(FSSpecHandler(fs))``."""

from __future__ import annotations

import time
from typing import Any, Callable

import pytest

from tests.integrations.conftest import Gateway
from tests.integrations.needed import needed

pa = needed("pyarrow")
ds = needed("pyarrow.dataset")
csv = needed("pyarrow.csv")
pc = needed("pyarrow.compute")
pq = needed("pyarrow.parquet")
arrow_fs = needed("pyarrow.fs")

ROWS = 60_000


@pytest.fixture(scope="module")
def table() -> Any:
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "part": pa.array([row % 3 for row in range(ROWS)], pa.int32()),
            "value": pa.array([(row * 37 % 1009) / 8 for row in range(ROWS)], pa.float64()),
            "name": pa.array([None if row % 11 == 0 else f"name-{row % 977}" for row in range(ROWS)], pa.string()),
        }
    )


WAYS = {
    "fsspec": lambda fs: fs,
    "handler": lambda fs: arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(fs)),
}


@pytest.fixture(params=sorted(WAYS))
def way(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return WAYS[request.param]


def write(table: Any, folder: str, filesystem: Any) -> None:
    ds.write_dataset(
        table,
        folder,
        filesystem=filesystem,
        format="parquet",
        partitioning=ds.partitioning(table.select(["part"]).schema, flavor="hive"),
        max_rows_per_group=4096,
        max_rows_per_file=8192,
    )


def read(folder: str, filesystem: Any, **what: Any) -> Any:
    return ds.dataset(folder, filesystem=filesystem, format="parquet", partitioning="hive").to_table(**what)


def in_order(table: Any) -> Any:
    return table.sort_by("id").select(["id", "part", "value", "name"]).combine_chunks()


def test_a_data_set_is_written_and_read_back_whole(gateway: Gateway, table: Any, way: Any) -> None:
    folder = f"{gateway.folder}/data"
    write(table, folder, way(gateway.fs))
    assert len(gateway.fs.find(folder)) == 9
    assert in_order(read(folder, way(gateway.fs))) == in_order(table)


def test_projections_and_filters(gateway: Gateway, table: Any, way: Any) -> None:
    folder = f"{gateway.folder}/data"
    write(table, folder, way(gateway.fs))
    wanted = (pc.field("part") == 1) & (pc.field("value") > 100) & pc.field("name").is_valid()
    found = read(folder, way(gateway.fs), columns=["id", "name"], filter=wanted)
    expected = table.filter(wanted).select(["id", "name"])
    assert found.sort_by("id") == expected.combine_chunks()
    assert 0 < found.num_rows < ROWS / 3


def test_a_projection_fetches_less_than_the_files_have(gateway: Gateway, table: Any, way: Any) -> None:
    name = f"{gateway.folder}/one.parquet"
    # Without dictionaries and compression the columns are much larger than a page.
    pq.write_table(
        table, name, filesystem=way(gateway.fs), use_dictionary=False, compression="none", row_group_size=ROWS
    )
    before = gateway.fetched()
    found = pq.read_table(name, filesystem=way(gateway.fs), columns=["part"])
    assert found.column("part").combine_chunks() == table.column("part").combine_chunks()
    assert 0 < gateway.fetched() - before < gateway.fs.size(name) / 2


def test_the_second_pass_comes_from_the_page_store(gateway: Gateway, table: Any, way: Any) -> None:
    folder = f"{gateway.folder}/data"
    write(table, folder, way(gateway.fs))
    settle(gateway, folder)
    assert read(folder, way(gateway.fs)).num_rows == ROWS
    fetched, hits = gateway.fetched(), gateway.hits()
    assert in_order(read(folder, way(gateway.fs))) == in_order(table)
    assert gateway.fetched() == fetched
    assert gateway.hits() > hits


def test_a_file_that_was_written_again_is_read_anew(gateway: Gateway, table: Any, way: Any) -> None:
    name = f"{gateway.folder}/one.parquet"
    filesystem = way(gateway.fs)
    pq.write_table(table, name, filesystem=filesystem)
    assert pq.read_table(name, filesystem=filesystem) == table
    negative = table.set_column(2, "value", pc.negate(table.column("value")))
    pq.write_table(negative, name, filesystem=filesystem)
    assert pq.read_table(name, filesystem=filesystem) == negative


def test_a_table_written_to_an_open_file(gateway: Gateway, table: Any) -> None:
    name = f"{gateway.folder}/open.parquet"
    with gateway.fs.open(name, "wb") as file:
        pq.write_table(table, file)
    with gateway.fs.open(name, "rb") as file:
        assert pq.read_table(file) == table


def test_streams_and_metadata_of_arrows_own_filesystem(gateway: Gateway, table: Any) -> None:
    filesystem = WAYS["handler"](gateway.fs)
    name = f"{gateway.folder}/table.csv"
    with filesystem.open_output_stream(name) as stream:
        csv.write_csv(table, stream)
    about = filesystem.get_file_info(name)
    assert (about.type, about.size) == (arrow_fs.FileType.File, gateway.fs.size(name))
    with filesystem.open_input_stream(name) as stream:
        assert csv.read_csv(stream).column("id") == table.column("id")
    with filesystem.open_input_file(name) as file:
        assert file.read_at(4, about.size - 4) == gateway.fs.tail(name, 4)
    filesystem.copy_file(name, f"{gateway.folder}/copy.csv")
    filesystem.move(f"{gateway.folder}/copy.csv", f"{gateway.folder}/moved.csv")
    filesystem.create_dir(f"{gateway.folder}/empty")
    listed = filesystem.get_file_info(arrow_fs.FileSelector(gateway.folder))
    assert sorted(info.base_name for info in listed) == ["empty", "moved.csv", "table.csv"]
    filesystem.delete_file(f"{gateway.folder}/moved.csv")
    filesystem.delete_dir(f"{gateway.folder}/empty")
    missing = filesystem.get_file_info(f"{gateway.folder}/moved.csv")
    assert missing.type == arrow_fs.FileType.NotFound
    with pytest.raises(FileNotFoundError):
        filesystem.open_input_file(f"{gateway.folder}/moved.csv")


def settle(gateway: Gateway, folder: str) -> None:
    """Wait until the store tells versions of these files apart: pages of a file that changed a moment ago are kept
    under a version of their own (it could change again without its time showing it)."""
    deadline = time.monotonic() + 60
    while any("unsettled" in info["version"] for info in gateway.fs.find(folder, detail=True, refresh=True).values()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
