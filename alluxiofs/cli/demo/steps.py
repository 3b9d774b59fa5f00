"""The steps of the demonstration."""

from __future__ import annotations

import importlib.util
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple

from attrs import evolve

from alluxiofs.cli.demo.flights import summary
from alluxiofs.cli.demo.report import Report, Step
from alluxiofs.cli.notices import collected_warnings

if TYPE_CHECKING:
    import pyarrow as pa
    from fsspec import AbstractFileSystem

__all__ = ["Demonstration"]

_CHANGED_MONTH = 7
_SETTLES = 3.0
"""Seconds after which the time of a file's last change tells two versions apart on any file system."""


class Demonstration:
    """Does one step after the other, and checks what each one gives.

    Parameters
    ----------
    fs:
        The gateway.
    other:
        The under store's own client: another program that writes to the same storage.
    folder:
        An empty place in the under store, by its name.
    pages:
        The folder of the disk page store, which is going to be taken away.
    flights:
        The data.
    """

    def __init__(
        self, fs: AbstractFileSystem, other: AbstractFileSystem, folder: str, pages: Path, flights: pa.Table
    ) -> None:
        self.fs = fs
        self.other = other
        self.folder = folder
        self.pages = pages
        self.flights = flights
        self.expected = summary(flights)
        self.report = Report({})

    def run(self, under_store: str, with_ray: bool, tell: Callable[[str], None]) -> Report:
        """Do all steps.

        Parameters
        ----------
        under_store:
            The URL of the folder, for the report.
        with_ray:
            Whether to read with Ray, too.
        tell:
            Called with the name of each step as it begins.
        """
        tell("writing")
        written = self._measure("write as Parquet, through the gateway", self._write)
        files = self._files()
        self.report.about.update(
            under_store=under_store,
            rows=self.flights.num_rows,
            files=len(files),
            bytes=sum(entry["size"] for entry in files.values()),
            page_size=self.fs.describe()["page_size"],
        )
        self.report.steps.append(written)
        steps: List[Tuple[str, Callable[[], Optional[pa.Table]]]] = [
            ("pyarrow.dataset over fsspec, first pass", self._read_dataset),
            ("pyarrow.dataset over fsspec, second pass", self._read_dataset),
            ("PyFileSystem(FSSpecHandler(fs))", self._read_handler),
        ]
        self._settle(files)
        for index, (name, function) in enumerate(steps):
            tell(name)
            step = self._measure(name, function)
            self.report.steps.append(_from_pages_alone(step) if index else step)
        tell("Ray")
        self.report.steps.append(self._ray(with_ray))
        for name, function in (
            (f"month {_CHANGED_MONTH} overwritten by another program", self._overwritten_elsewhere),
            (f"month {_CHANGED_MONTH} overwritten through the gateway", self._overwritten_here),
        ):
            tell(name)
            self.report.steps.append(self._measure(name, function))
        name = "page store taken away half-way"
        tell(name)
        self.report.steps.append(self._without_pages(name))
        return self.report

    # --- the steps ----------------------------------------------------------------------------------------------

    def _write(self) -> None:
        import pyarrow.dataset as ds

        ds.write_dataset(
            self.flights,
            self.folder,
            filesystem=self.fs,
            format="parquet",
            partitioning=ds.partitioning(self.flights.select(["month"]).schema, flavor="hive"),
        )

    def _read_dataset(self) -> pa.Table:
        return _dataset(self.folder, self.fs).to_table()

    def _read_handler(self) -> pa.Table:
        from pyarrow.fs import FSSpecHandler, PyFileSystem

        return _dataset(self.folder, PyFileSystem(FSSpecHandler(self.fs))).to_table()

    def _overwritten_elsewhere(self) -> pa.Table:
        """Twice the distances in one month, written by somebody else: seen at once by who asks for it."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        name, month = self._one_month()
        at = month.schema.get_field_index("distance")
        doubled = month.set_column(at, "distance", pc.multiply(month.column("distance"), 2))
        added = pc.sum(month.column("distance")).as_py()
        self.expected["sum of distance"] += added
        pq.write_table(doubled, name, filesystem=self.other)
        self.fs.info(name, refresh=True)
        return self._read_dataset()

    def _overwritten_here(self) -> pa.Table:
        """The old distances again, written through the gateway: read back at once."""
        import pyarrow.parquet as pq

        name, month = self._one_month()
        self.expected = summary(self.flights)
        pq.write_table(month, name, filesystem=self.fs)
        return self._read_dataset()

    def _without_pages(self, name: str) -> Step:
        def read() -> pa.Table:
            import pyarrow as pa

            fragments = list(_dataset(self.folder, self.fs).get_fragments())
            tables = []
            for index, fragment in enumerate(fragments):
                if index == len(fragments) // 2:
                    shutil.rmtree(self.pages)
                    self.pages.write_bytes(b"")  # nor can the folder be made again
                tables.append(fragment.to_table(schema=_dataset(self.folder, self.fs).schema))
            return pa.concat_tables(tables)

        with collected_warnings() as warned:
            step = self._measure(name, read)
        wrong = dict(step.wrong)
        if len(warned) != 1:
            wrong["warnings"] = (1, warned)
        return evolve(step, wrong=wrong, note="; ".join(warned))

    def _ray(self, wanted: bool) -> Step:
        name = "ray.data.read_parquet"
        if not wanted:
            return Step(name, note="left out with --no-ray", skipped=True)
        if importlib.util.find_spec("ray") is None:
            return Step(name, note="Ray is not installed: pip install 'ray[data]'", skipped=True)
        from alluxiofs.cli.demo.with_ray import read_with_ray

        start = time.perf_counter()
        found = read_with_ray(self.folder, self.fs)
        expected = {what: self.expected[what] for what in found}
        seconds = time.perf_counter() - start
        return Step(
            name,
            found["rows"],
            seconds,
            wrong=_differences(expected, found),
            note="its processes read through gateways and counters of their own",
        )

    def _settle(self, files: Dict[str, Any]) -> None:
        """Wait until what was just written is told from what might be written next: a file that changed a moment ago
        can change again without its time showing it, and pages of it are not taken for those of the older file."""
        modified = [entry["mtime"] for entry in files.values() if entry.get("mtime")]
        time.sleep(min(_SETTLES, max(0.0, max(modified, default=0.0) + _SETTLES - time.time())))
        self.fs.invalidate_cache()

    # --- what they share ----------------------------------------------------------------------------------------

    def _measure(self, name: str, function: Callable[[], Optional[pa.Table]]) -> Step:
        before = self._counters()
        start = time.perf_counter()
        table = function()
        seconds = time.perf_counter() - start
        fetched, hits, misses = (after - then for after, then in zip(self._counters(), before))
        if table is None:
            return Step(name, self.flights.num_rows, seconds, fetched, hits, misses)
        found = summary(table)
        return Step(name, table.num_rows, seconds, fetched, hits, misses, _differences(self.expected, found))

    def _counters(self) -> Tuple[int, int, int]:
        counters = self.fs.describe()["counters"]
        store = counters["page_store"]
        return counters["bytes_from_under_stores"] + counters["bytes_from_workers"], store["hits"], store["misses"]

    def _files(self) -> Dict[str, Any]:
        found: Dict[str, Any] = self.fs.find(self.folder, detail=True)
        return found

    def _one_month(self) -> Tuple[str, pa.Table]:
        """The file of one month, and what the data have for it."""
        import pyarrow.compute as pc

        part = f"/month={_CHANGED_MONTH}/"
        (name,) = (name for name in self._files() if part in name)
        rows = self.flights.filter(pc.equal(self.flights.column("month"), _CHANGED_MONTH))
        return name, rows.drop(["month"])


def _dataset(folder: str, filesystem: Any) -> Any:
    import pyarrow.dataset as ds

    return ds.dataset(folder, filesystem=filesystem, format="parquet", partitioning="hive")


def _differences(expected: Mapping[str, int], found: Mapping[str, int]) -> Dict[str, Tuple[Any, Any]]:
    names = sorted({*expected, *found})
    return {name: (expected.get(name), found.get(name)) for name in names if expected.get(name) != found.get(name)}


def _from_pages_alone(step: Step) -> Step:
    """The step, which is wrong if anything was fetched: every page was kept by the passes before."""
    return evolve(step, wrong={**step.wrong, "bytes from under store": (0, step.fetched)}) if step.fetched else step
