"""What is imported before processes are forked that measure: everything that any contestant imports when it is used."""

from __future__ import annotations

import contextlib
import importlib

_MODULES = (
    "fsspec.implementations.cached",
    "fsspec.implementations.local",
    "s3fs",
    "aiobotocore.session",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "alluxiofs.filesystem",
    "alluxiofs.assembly",
    "alluxiofs.plugins.under_store_s3",
    "alluxiofs.pagestores.tiered",
    "alluxiofs.pagestores.disk",
    "alluxiofs.pagestores.memory",
    "benchmarks.processes",
    "benchmarks.work",
)

for _module in _MODULES:
    with contextlib.suppress(ImportError):  # PyArrow is needed by some benchmarks only, and they say so
        importlib.import_module(_module)
