"""Asking a cluster of Alluxio to load files."""

from __future__ import annotations

from alluxiofs.client.client import AlluxioClient
from alluxiofs.client.status import AlluxioPathStatus
from alluxiofs.interfaces import LoadState

__all__ = ["AlluxioClient", "AlluxioPathStatus", "LoadState"]
