"""What ``alluxiofs doctor`` looks at."""

from __future__ import annotations

from alluxiofs.cli.doctor.examination import examine
from alluxiofs.cli.doctor.findings import Finding, Grade

__all__ = ["Finding", "Grade", "examine"]
