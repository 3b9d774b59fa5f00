"""How fast it is, as ratios to a baseline that is measured in the same run: ``python -m benchmarks``.

A benchmark is one function in a module of :mod:`benchmarks.cases`; adding a file there adds it. Each yields cases, the
baseline first. The runner takes one sample of every case in turn, again and again, so that whatever disturbs the
machine disturbs all of them; ratios are taken within a turn. Only the public face of the package is used.
"""

from __future__ import annotations
