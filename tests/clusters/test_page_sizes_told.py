"""That the workers' pages are of another size than the configured one is said once, with what to do."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import List

import pytest

from alluxiofs.testing import StandInCluster
from alluxiofs.testing.stand_in_workers import faults
from tests.clusters.transports import DATA, PAGE, filesystem

PROPERTY = "alluxio.worker.page.store.page.size"


def warnings_of(caplog: pytest.LogCaptureFixture) -> List[logging.LogRecord]:
    return [one for one in caplog.records if one.levelno >= logging.WARNING]


def read_all(cluster: StandInCluster, folder: Path, page_size: int = PAGE) -> None:
    options = {PROPERTY: str(page_size)}
    fs = filesystem(cluster, options=options, page_store=None)
    for name in ("a.bin", "b.bin"):
        with fs.open(f"{folder}/{name}", "rb", block_size=100) as file:
            for offset in (0, PAGE, 2 * PAGE, 100):
                file.seek(offset)
                assert file.read(100) == DATA[offset : offset + 100]
        assert fs.cat_file(f"{folder}/{name}") == DATA


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(DATA)
    return tmp_path


@pytest.mark.parametrize("size", [PAGE // 2, 4 * PAGE])
def test_one_warning_says_what_is_configured_what_the_workers_have_and_what_is_done(
    folder: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    with StandInCluster(folder, workers=2, page_size=size) as cluster:
        for worker in cluster.workers:
            worker.load("a.bin")
            worker.load("b.bin")
        read_all(cluster, folder)
    (record,) = warnings_of(caplog)
    said = record.getMessage()
    assert record.levelno == logging.WARNING
    assert f"{PAGE} bytes are configured" in said
    assert f"has pages of {size} bytes" in said
    assert "is read from the under store" in said
    assert f"set the option '{PROPERTY}' to {size} " in said


def test_it_is_said_as_well_where_the_worker_does_not_show_its_size(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with StandInCluster(folder, workers=1, page_size=2 * PAGE) as cluster:
        cluster.load("a.bin", "b.bin")
        cluster.fail("health", faults.Status(503))
        read_all(cluster, folder)
    (record,) = warnings_of(caplog)
    assert "has pages of another size" in record.getMessage()
    assert f"set the option '{PROPERTY}' to what the cluster has" in record.getMessage()


def test_nothing_is_said_where_they_are_one(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with StandInCluster(folder, workers=1, page_size=PAGE) as cluster:
        cluster.load("a.bin", "b.bin")
        read_all(cluster, folder)
    assert warnings_of(caplog) == []
