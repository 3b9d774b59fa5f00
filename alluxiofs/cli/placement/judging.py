"""Which policy to take, out of what was measured."""

from __future__ import annotations

from typing import Iterator, List, Optional, Sequence, Tuple

from alluxiofs.cli.output import count_text, size_text
from alluxiofs.cli.placement.measuring import Case, Measured

__all__ = ["RING", "Row", "memory_text", "recommendations", "seconds_text", "share_text"]

Row = Tuple[Case, Measured]

RING = "consistent-hash"
"""The policy of Alluxio's own that has virtual nodes."""

_MOVES = 1.25  # times what has to move: more, and a worker that leaves costs others what they hold
_BUILD = 1.0  # seconds, each time a worker comes or goes, and nobody reads meanwhile
_SOON = 0.1  # seconds: nobody notices less
_RANK = 100e-6  # seconds for a key: about what a small read over the wire takes
_MEMORY = 256 * 2**20
_LITTLE = 128 * 2**10
_ALIKE = 0.02  # of the mean: what differs less is no difference


def recommendations(rows: Sequence[Row]) -> Iterator[str]:
    """A sentence for each number of workers, and what to mind."""
    for workers in dict.fromkeys(case.workers for case, _ in rows):
        yield _for(workers, [row for row in rows if row[0].workers == workers])
    yield (
        "Where workers are Alluxio's own the policy is theirs to choose: consistent-hash, with the number of virtual "
        "nodes that the cluster has. With another one they are asked for files that they are not in charge of."
    )


def _for(workers: int, rows: List[Row]) -> str:
    fit = [row for row in rows if not _against(*row)]
    if not fit:
        reasons = "; ".join(f"{case.name}: {', '.join(_against(case, measured))}" for case, measured in rows)
        return f"{count_text(workers, 'worker')}: none of these ({reasons})."
    case, measured = _best(fit)
    memory = "" if measured.memory is None else f", and the process grows by {memory_text(measured.memory)}"
    said = (
        f"{count_text(workers, 'worker')}: {case.name}. Shares differ by {share_text(measured.spread)}, "
        f"{share_text(measured.moved)} of the keys move when a worker leaves (its own: {share_text(1 / workers)}), "
        f"it is made in {seconds_text(measured.build_seconds)}{memory}."
    )
    dearer = [row for row in rows if _against(*row) and row[1].spread < measured.spread - _ALIKE]
    if dearer:
        said += " More even, at a price: " + "; ".join(
            f"{one.name} ({', '.join(_against(one, its))})" for one, its in dearer
        )
        said += "."
    rings = [row for row in fit if row[0].policy == RING]
    if rings and case.policy != RING:
        ring, of_ring = _best(rings)
        said += f" Of Alluxio's own ring: {ring.name}, whose shares differ by {share_text(of_ring.spread)}."
    return said


def _best(rows: Sequence[Row]) -> Row:
    even = min(measured.spread for _, measured in rows)
    return min((row for row in rows if row[1].spread <= even + _ALIKE), key=_cost)


def _cost(row: Row) -> Tuple[float, float, float, str]:
    """Of policies that are alike in evenness the one with the least is taken: what others than the worker that leaves
    lose is fetched again, which takes longer than anything else here; then who waits for the policy waits."""
    case, measured = row
    others = round(max(0.0, measured.moved - 1 / case.workers), 3)
    return others, max(_SOON, measured.build_seconds), measured.spread, case.name


def share_text(share: float) -> str:
    """A share as people read it: that of one in many is not nothing."""
    return f"{share:.0%}" if share >= 0.1 else f"{share * 100:.2g}%"


def seconds_text(seconds: float) -> str:
    """A time as people read it; what nobody could notice as such."""
    return f"{seconds:.3f} s" if seconds >= 0.001 else "< 0.001 s"


def memory_text(size: Optional[int]) -> str:
    """Bytes as people read them; what is too little to be measured as such."""
    return "-" if size is None else size_text(size) if size >= _LITTLE else f"< {size_text(_LITTLE)}"


def _against(case: Case, measured: Measured) -> List[str]:
    """Why not to take it."""
    reasons = []
    if measured.moved > _MOVES / case.workers and measured.moved - 1 / case.workers > 0.001:
        reasons.append(f"{share_text(measured.moved)} of the keys move")
    if measured.build_seconds > _BUILD:
        reasons.append(f"made in {measured.build_seconds:.1f} s")
    if measured.rank_seconds > _RANK:
        reasons.append(f"{measured.rank_seconds * 1e6:,.0f} us a key")
    if measured.memory is not None and measured.memory > _MEMORY:
        reasons.append(size_text(measured.memory))
    return reasons
