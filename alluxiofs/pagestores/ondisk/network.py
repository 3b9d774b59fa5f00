"""Which file systems are shared with other machines: their mappings and locks are not one among the machines."""

from __future__ import annotations

import os
from typing import Optional

__all__ = ["network_file_system"]

_NAMES = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.juicefs", "fuse.s3fs", "fuse.sshfs", "gfs2"}
    | {"glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb3", "smbfs"}
)
_MOUNTS = "/proc/self/mountinfo"


def network_file_system(device: int) -> Optional[str]:
    """The name of the file system with this device number if it is one of those; ``None`` if not, or not known."""
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == number:
                    name = fields[fields.index("-") + 1]
                    return name if name in _NAMES else None
    except (OSError, ValueError, IndexError):
        pass
    return None
