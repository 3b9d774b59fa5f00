"""What is imported before processes are forked that measure: everything that any contestant imports when it is used."""

from __future__ import annotations

import contextlib
import gc
import importlib
import pkgutil

import alluxiofs

_OTHERS = (
    "fsspec.implementations.cached",
    "fsspec.implementations.local",
    "s3fs",
    "aiobotocore.session",
    "pyarrow.dataset",
    "pyarrow.fs",
    "pyarrow.parquet",
    "benchmarks.processes",
    "benchmarks.work",
)
_NOT_USED = ("alluxiofs.__main__", "alluxiofs.cli", "alluxiofs.testing")
# What is imported at the first need is imported here too: who measures reads does not measure the compiler.
_OWN = [
    module.name
    for module in pkgutil.walk_packages(alluxiofs.__path__, "alluxiofs.")
    if not module.name.startswith(_NOT_USED)
]

for _module in (*_OTHERS, *_OWN):
    with contextlib.suppress(ImportError):  # what an extra brings, or PyArrow: the benchmarks that need it say so
        importlib.import_module(_module)

# Nor does he measure the collector of garbage, which would go through all of it in each process, and have it copied.
gc.collect()
gc.freeze()
