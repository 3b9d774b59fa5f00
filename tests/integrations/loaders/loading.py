"""A training loop whose data comes from worker processes, as a program of its own: what it loads is compared, and where
each worker's metrics went is printed.

Its argument is JSON: the arguments of the filesystem, ``files`` (URLs), ``contents`` (the folder that they are copies
of), ``loader`` (``torch`` or ``queues``), ``start`` (``fork`` or ``spawn``), ``telemetry`` (``prometheus`` or
``otlp``), ``workers``, ``epochs`` and ``targets`` (where Prometheus looks for processes).

It prints how many files it has compared, and then waits for its standard input to end: its workers can be asked till
then.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import fsspec

_PAGE = Path(__file__).parents[3] / "docs" / "telemetry.md"

Item = Tuple[int, int, Any]  # the number of the file, the process that read it, the bytes


class Files:
    """A dataset: what a worker gets is this, by fork or by pickle, and the filesystem in it."""

    def __init__(self, told: Dict[str, Any]) -> None:
        self._fs: Any = fsspec.filesystem("alluxiofs", **told["arguments"])
        self._urls: List[str] = told["files"]
        self._tensors = told["loader"] == "torch"
        # As most datasets do: the process that the others are forked from has used the filesystem.
        self._sizes = [self._fs.size(url) for url in self._urls]
        self._fs.head(self._urls[0], 1)

    def __len__(self) -> int:
        return len(self._urls)

    def __getitem__(self, number: int) -> Item:
        with self._fs.open(self._urls[number]) as file:
            content: bytes = file.read(self._sizes[number])
        if not self._tensors:
            return number, os.getpid(), content
        torch: Any = importlib.import_module("torch")
        return number, os.getpid(), torch.frombuffer(bytearray(content), dtype=torch.uint8)

    def address(self) -> str:
        """Where the metrics of this process are."""
        self._fs.size(self._urls[0])  # the page is there from the first operation on
        url: str = self._fs.describe()["telemetry"][0]["url"]
        return url.split("/")[2]


class Begin:
    """What a worker does first, as docs/telemetry.md has it, word for word: ``worker_init_fn`` of a DataLoader."""

    def __init__(self, told: Dict[str, Any], dataset: Files) -> None:
        self._kind = told["telemetry"]
        self._targets = told["targets"]
        self._dataset = dataset

    def __call__(self, worker: int) -> None:
        if self._kind == "prometheus":
            targets = json.dumps([{"targets": [self._dataset.address()]}])
            Path(self._targets, f"{os.getpid()}.json").write_text(targets)
            return
        names: Dict[str, Any] = {}
        found = re.search(r"```python\n([^`]*^def begin.*?)```", _PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        assert found is not None
        exec(found[1], names)
        names["begin"](worker)


def by_torch(dataset: Files, begin: Begin, told: Dict[str, Any]) -> Iterator[Iterator[Item]]:
    """Epochs of a DataLoader of PyTorch: batches are put together in the workers, and come through shared memory."""
    torch: Any = importlib.import_module("torch")
    data: Any = importlib.import_module("torch.utils.data")
    torch.manual_seed(7)
    data._utils.MP_STATUS_CHECK_INTERVAL = 100.0  # seconds that workers have to end: 5 may be too few on a busy machine
    loader = data.DataLoader(
        dataset,
        batch_size=4,
        shuffle=True,
        num_workers=told["workers"],
        worker_init_fn=begin,
        multiprocessing_context=told["start"],
        persistent_workers=True,
        timeout=100,
    )
    for _ in range(told["epochs"]):
        yield (
            (int(number), int(process), bytes(content.tolist()))
            for batch in loader
            for number, process, content in zip(*batch)
        )


def by_queues(dataset: Files, begin: Begin, told: Dict[str, Any]) -> Iterator[Iterator[Item]]:
    """The same without PyTorch: workers take numbers from a queue each, and all give back through one."""
    context: Any = multiprocessing.get_context(told["start"])
    results = context.Queue()
    asked = [context.Queue() for _ in range(told["workers"])]
    workers = [
        context.Process(target=_worker, args=(dataset, begin, number, queue, results), daemon=True)
        for number, queue in enumerate(asked)
    ]
    for worker in workers:
        worker.start()
    for _ in range(told["epochs"]):
        for number in range(len(dataset)):
            asked[number % len(asked)].put(number)
        yield (results.get(timeout=100) for _ in range(len(dataset)))
    for queue in asked:
        queue.put(None)
    for worker in workers:
        worker.join(timeout=100)


def _worker(dataset: Files, begin: Begin, worker: int, asked: Any, results: Any) -> None:
    begin(worker)
    for number in iter(asked.get, None):
        results.put(dataset[number])


def main(told: Dict[str, Any]) -> None:
    """Load all of it, some times over, and compare."""
    dataset = Files(told)
    epochs = (by_torch if told["loader"] == "torch" else by_queues)(dataset, Begin(told, dataset), told)
    compared = 0
    processes = set()
    for epoch in epochs:
        seen = []
        for number, process, content in epoch:
            name = told["files"][number].rpartition("/")[2]
            if content != Path(told["contents"], name).read_bytes():
                raise AssertionError(f"{name} is not what it should be")
            seen.append(number)
            processes.add(process)
        if sorted(seen) != list(range(len(dataset))):
            raise AssertionError(f"an epoch of {len(dataset)} files gave {sorted(seen)}")
        compared += len(seen)
        if compared == told["epochs"] * len(dataset):  # the workers end with the last epoch
            sys.stdout.write(f"{json.dumps({'compared': compared, 'processes': sorted(processes)})}\n")
            sys.stdout.flush()
            sys.stdin.read()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
