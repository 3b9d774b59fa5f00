"""The page store on disk: files that processes share. ``docs/page-store.md`` has the layout and the protocol."""

from __future__ import annotations
