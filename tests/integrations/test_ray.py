"""Ray Data for real: its own processes get the filesystem in a pickle, and a training loop gets its batches."""

from __future__ import annotations

import json
import logging
import os
import re
import runpy
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import fsspec
import pytest

from alluxiofs.filesystem import AlluxioFileSystem
from tests.integrations.needed import needed
from tests.telemetry.sink import Sink

np = needed("numpy")
pa = needed("pyarrow")
pq = needed("pyarrow.parquet")

# Ray's own affair: it uses settings of its own that it has deprecated, and leaves sockets and files to the collector,
# which pytest sees as exceptions that nobody could raise.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.timeout(300),  # its processes take their time to start on a busy machine
]

_ROOT = Path(__file__).parents[2]
FILES, ROWS, EPOCHS = 6, 4000, 3
WEIGHTS, OFFSET = (2.0, -3.0, 0.5), 1.25


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    module = needed("ray")
    import ray.data

    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    yield module
    module.shutdown()


@pytest.fixture
def made(tmp_path: Path) -> Tuple[AlluxioFileSystem, str, Dict[str, Any]]:
    """A gateway with a disk page store, a folder of Parquet files written through it, and their columns in memory."""
    fs = AlluxioFileSystem(
        target_protocol="file",
        page_store={"name": "disk", "path": str(tmp_path / "pages"), "capacity": "100MB"},
        options={"alluxio.worker.page.store.page.size": "64KB"},
    )
    folder = str(tmp_path / "store")
    fs.makedirs(folder)
    random = np.random.default_rng(20130101)
    features = random.normal(size=(FILES * ROWS, len(WEIGHTS)))
    target = features @ np.array(WEIGHTS) + OFFSET
    columns = {f"x{index}": features[:, index] for index in range(len(WEIGHTS))}
    columns.update(id=np.arange(FILES * ROWS), y=target)
    for index in range(FILES):
        rows = slice(index * ROWS, (index + 1) * ROWS)
        part = pa.table({name: values[rows] for name, values in columns.items()})
        pq.write_table(part, f"{folder}/part-{index}.parquet", filesystem=fs, row_group_size=1000)
    # A file that changed a moment ago could change again without its time showing it: its pages are not taken for
    # those of the file that it is a moment later.
    while any("unsettled" in info["version"] for info in fs.find(folder, detail=True, refresh=True).values()):
        time.sleep(0.05)
    return fs, folder, columns


def gradient_step(weights: Any, batch: Dict[str, Any], rate: float = 0.1) -> Tuple[Any, float]:
    """One step of linear regression by gradient descent; the new weights, and the mean squared error before it."""
    inputs = np.stack([*(batch[f"x{index}"] for index in range(len(WEIGHTS))), np.ones(len(batch["y"]))], axis=1)
    residual = inputs @ weights - batch["y"]
    return weights - rate * 2 * inputs.T @ residual / len(residual), float(np.mean(residual**2))


def test_read_parquet(ray: Any, made: Any) -> None:
    fs, folder, columns = made
    data = ray.data.read_parquet(folder, filesystem=fs)
    assert data.count() == FILES * ROWS
    assert data.sum("id") == int(columns["id"].sum())
    assert sorted(data.schema().names) == sorted(columns)


def test_a_training_loop_over_several_epochs(ray: Any, made: Any) -> None:
    fs, folder, columns = made
    data = ray.data.read_parquet(folder, filesystem=fs)
    weights, losses = np.zeros(len(WEIGHTS) + 1), []
    for _ in range(EPOCHS):
        seen: List[Any] = []
        loss: List[float] = []
        for batch in data.iter_batches(batch_size=512, batch_format="numpy"):
            weights, error = gradient_step(weights, batch)
            seen.append(batch["id"])
            loss.append(error)
        assert np.array_equal(np.sort(np.concatenate(seen)), columns["id"])  # each row once an epoch
        losses.append(np.mean(loss))
    assert losses == sorted(losses, reverse=True)
    assert np.allclose(weights, (*WEIGHTS, OFFSET), atol=1e-3)


def test_later_epochs_come_from_the_page_store(ray: Any, made: Any) -> None:
    """The processes that read share the pages on disk: once they are kept, the under store is not asked for bytes."""
    fs, folder, columns = made

    class Trainer:
        """One process that reads all files an epoch, and says what came from where."""

        def epoch(self, filesystem: Any) -> Tuple[float, int, int]:
            before = filesystem.describe()["counters"]
            total = 0.0
            for name in filesystem.ls(folder):
                total += float(np.sum(pq.read_table(name, filesystem=filesystem).column("y").to_numpy()))
            after = filesystem.describe()["counters"]
            fetched = after["bytes_from_under_stores"] - before["bytes_from_under_stores"]
            return total, fetched, after["page_store"]["hits"] - before["page_store"]["hits"]

    actor: Any = ray.remote(num_cpus=1)(Trainer)
    first, second = actor.remote(), actor.remote()
    epochs = [ray.get(trainer.epoch.remote(fs)) for trainer in (first, first, second)]
    for total, _, _ in epochs:
        assert total == pytest.approx(float(columns["y"].sum()))
    fetched = [bytes_fetched for _, bytes_fetched, _ in epochs]
    assert fetched[0] >= sum(fs.du(folder, total=False).values())
    assert fetched[1:] == [0, 0]  # the second process finds what the first one kept
    assert all(hits > 0 for _, _, hits in epochs[1:])


def test_write_parquet(ray: Any, made: Any) -> None:
    fs, folder, columns = made
    data = ray.data.read_parquet(folder, filesystem=fs).select_columns(["id", "y"])
    target = f"{folder}-again"
    even = data.map_batches(lambda batch: {name: values[batch["id"] % 2 == 0] for name, values in batch.items()})
    even.write_parquet(target, filesystem=fs)
    fs.invalidate_cache()
    found = np.sort(pq.read_table(target, filesystem=fs).column("id").to_numpy())
    assert np.array_equal(found, columns["id"][::2])


# --- metrics of its processes, by the two ways that docs/telemetry.md names -----------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ten bytes."""
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path / "file"


def test_prometheus_finds_the_pages_of_its_processes(ray: Any, file: Path, tmp_path: Path) -> None:
    needed("prometheus_client")
    needed("opentelemetry.exporter.prometheus")
    targets, first_lines = tmp_path / "targets", tmp_path / "first_lines.py"
    targets.mkdir()
    section = (_ROOT / "docs" / "telemetry.md").read_text("utf-8").partition("**Prometheus that finds them**")[2]
    lines = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]
    for place, theirs, ours in (
        ("target_protocol=", "s3", "file"),
        ("fs.info(", "bucket/key", str(file)),
        ("Path(", "targets", str(targets)),
    ):
        assert lines.count(f'{place}"{theirs}"') == 1
        lines = lines.replace(f'{place}"{theirs}"', place + json.dumps(ours))
    first_lines.write_text(lines, "utf-8")

    class Reader:
        """A process that begins as the page says."""

        def __init__(self) -> None:
            self.fs = runpy.run_path(str(first_lines), {"fsspec": fsspec})["fs"]

        def read(self, times: int) -> int:
            for _ in range(times):
                self.fs.cat_file(str(file))
            return os.getpid()

    actor: Any = ray.remote(num_cpus=0)(Reader)
    readers = [actor.remote() for _ in range(2)]
    processes = ray.get([reader.read.remote(times) for times, reader in enumerate(readers, 1)])
    found: Dict[int, float] = {}
    for named in targets.glob("*.json"):
        (group,) = json.loads(named.read_text("utf-8"))
        with urllib.request.urlopen(f"http://{group['targets'][0]}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        (value,) = re.findall(r'^alluxiofs_read_bytes_total{.*source="under_store".*} (\S+)$', text, re.MULTILINE)
        found[int(named.stem)] = float(value)
    assert found == {processes[0]: 10, processes[1]: 20}


def test_a_collector_gets_the_metrics_of_its_processes(ray: Any, file: Path) -> None:
    needed("opentelemetry.exporter.otlp.proto.grpc.metric_exporter")
    example = str(_ROOT / "contrib" / "monitoring" / "otlp" / "many_processes.py")

    class Reader:
        """A process that begins, and ends, as the example does."""

        def read(self, endpoint: str) -> Tuple[int, str]:
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
            return runpy.run_path(example)["work"](file.as_uri()), f"{socket.gethostname()}-{os.getpid()}"

    with Sink() as sink:
        actor: Any = ray.remote(num_cpus=0)(Reader)
        readers = [actor.remote() for _ in range(2)]
        results = ray.get([reader.read.remote(sink.endpoint) for reader in readers])
        assert [size for size, _ in results] == [10, 10]
        assert {one["service.instance.id"] for one in sink.resources} == {name for _, name in results}
        assert [point.as_int for point in sink.last("alluxiofs_read_bytes").values()] == [10, 10]
