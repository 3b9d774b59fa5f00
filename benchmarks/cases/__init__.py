"""One module a subject. Every module here is imported, and its benchmarks are registered, by :mod:`benchmarks.core`."""

from __future__ import annotations
