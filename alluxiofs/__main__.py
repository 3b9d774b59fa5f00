"""``python -m alluxiofs`` is the command ``alluxiofs``."""

from __future__ import annotations

import sys

from alluxiofs.cli import main

if __name__ == "__main__":
    sys.exit(main())
