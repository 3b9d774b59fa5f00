"""Cases of contestants that read the same objects, each sample in new processes."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import shutil
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from benchmarks.contestants import CONTESTANTS, Place
from benchmarks.core import Aim, Case, Outcome, Problem, UnavailableError
from benchmarks.processes import Stage, run_stages
from benchmarks.servers import Storage

__all__ = ["race"]

_numbers = itertools.count()


def race(
    storage: Storage,
    folder: Path,
    names: Sequence[str],
    stages: Sequence[Stage],
    aims: Optional[Mapping[str, Mapping[str, Sequence[Aim]]]] = None,
    *,
    fresh: bool = True,
    capacity: Optional[int] = None,
    keeps_nothing: Sequence[Stage] = (),
) -> List[Case]:
    """A case for each contestant.

    Parameters
    ----------
    storage:
        The server.
    folder:
        Where contestants get folders of their own.
    names:
        The contestants, the baseline first.
    stages:
        What each does, one after the other; those do the first alone whose other processes would find nothing.
    aims:
        By contestant and phase.
    fresh:
        Whether each sample begins with an empty folder, or with what the one before has kept.
    capacity:
        Bytes that they may keep; those that keep without a limit are then out of the race.
    keeps_nothing:
        What those do instead for whom each time is the first.
    """
    if importlib.util.find_spec("s3fs") is None:
        raise UnavailableError("s3fs is not installed: pip install 'alluxiofs[s3]'")
    found = []
    for name in names:
        contestant = CONTESTANTS[name]
        if capacity is not None and contestant.keeps and not contestant.bounded:
            found.append(Case(name, functools.partial(_out_of_race, "what it keeps has no limit")))
            continue
        own = stages if contestant.shares else stages[:1]
        if keeps_nothing and not contestant.keeps:
            own = keeps_nothing
        sample = functools.partial(_sample, storage, folder, name, own, fresh, capacity)
        found.append(Case(name, sample, (aims or {}).get(name, {})))
    return found


def _out_of_race(reason: str) -> Dict[str, Outcome]:
    return {"": Problem("cannot", reason)}


def _sample(
    storage: Storage, folder: Path, name: str, stages: Sequence[Stage], fresh: bool, capacity: Optional[int]
) -> Dict[str, Outcome]:
    own = folder / f"kept-{name}-{next(_numbers) if fresh else 0}".replace(" ", "-")
    own.mkdir(mode=0o700, exist_ok=True)
    try:
        return run_stages(name, Place(storage, str(own), capacity), stages)
    finally:
        if fresh:
            shutil.rmtree(own)
