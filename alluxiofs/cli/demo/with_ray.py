"""The same data, read by Ray's own processes: the filesystem travels to them in a pickle."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Dict

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["read_with_ray"]


def read_with_ray(folder: str, fs: AbstractFileSystem) -> Dict[str, int]:
    """Rows, and the sum of the distances, as two processes of a Ray of this machine find them.

    Parameters
    ----------
    folder:
        Of Parquet files.
    fs:
        Travels to the processes.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data

    mine = not ray.is_initialized()
    if mine:
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        data = ray.data.read_parquet(folder, filesystem=fs).select_columns(["distance"])
        total: Any = data.sum("distance")
        return {"rows": data.count(), "sum of distance": int(total)}
    finally:
        if mine:
            ray.shutdown()
