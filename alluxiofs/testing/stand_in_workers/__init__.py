"""Stand-in workers: real sockets, both dialects, faults on demand. For tests and benchmarks."""

from __future__ import annotations

from alluxiofs.testing.stand_in_workers import faults
from alluxiofs.testing.stand_in_workers._cluster import StandInCluster
from alluxiofs.testing.stand_in_workers._core import Seen
from alluxiofs.testing.stand_in_workers._messages import Answer
from alluxiofs.testing.stand_in_workers._paths import file_id
from alluxiofs.testing.stand_in_workers._worker import StandInWorker

__all__ = ["Answer", "Seen", "StandInCluster", "StandInWorker", "faults", "file_id"]
