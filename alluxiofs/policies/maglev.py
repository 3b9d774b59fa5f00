"""Alluxio's policy MAGLEV: a table that the workers fill in turns, and one look into it for a path.

Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4; Alluxio's differs
from it in the order of the turns (that of a Java hash map) and in that a worker whose slot is taken loses its turn.
"""

from __future__ import annotations

from array import array
from typing import Any, Iterator, List, Optional, Tuple

from attrs import define, field
from mmh3 import hash as murmur3

from alluxiofs.errors import ConfigurationError
from alluxiofs.interfaces import Context, WorkerIdentity, Workers
from alluxiofs.policies.attempts import ByAttempts
from alluxiofs.policies.checks import at_least_one
from alluxiofs.policies.ring import identity_bytes

__all__ = ["Maglev", "fill_order", "offset_and_skip"]

_FREE = -1
_LARGEST = 1 << 24
# Constants of Alluxio as decimal text: 0xDEADBABE, 0xDEADDEAD and 0xDEADBEEF as signed integers.
_OFFSET_SEED, _SKIP_SEED, _LOOKUP_SEED = b"-559039810", b"-559030611", b"-559038737"
_CASTAGNOLI = 0x82F63B78


def _crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720, appendix B.4) as a signed integer; of a few bytes a worker, so without a table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return _signed(crc ^ 0xFFFFFFFF)


def _signed(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


def _remainder(number: int, divisor: int) -> int:
    """The remainder with the sign of the number, as in Java."""
    return number % divisor if number >= 0 else -(-number % divisor)


def offset_and_skip(identity: WorkerIdentity, size: int) -> Tuple[int, int]:
    """Where a worker begins in a table of ``size`` slots, and how far it goes each turn; either may be negative."""
    own = str(murmur3(identity_bytes(identity))).encode()
    offset = _remainder(murmur3(own + _OFFSET_SEED), size)
    return offset, _remainder(_crc32c(own + _SKIP_SEED), size - 1) + 1


def fill_order(workers: Workers) -> List[int]:
    """Whose turn it is after whom: the order in which a new Java ``HashMap`` gives the identities that were put in."""
    capacity = 16
    while len(workers) > capacity * 3 // 4:
        capacity *= 2
    return sorted(range(len(workers)), key=lambda who: _bucket(workers[who].identity, capacity))


def _bucket(identity: WorkerIdentity, capacity: int) -> int:
    code = 1
    for byte in identity.identifier:
        code = 31 * code + (byte - 256 if byte > 127 else byte)
    code = (31 * code + identity.version) & 0xFFFFFFFF
    return (code ^ code >> 16) & (capacity - 1)


def _more_than_one(settings: Any, attribute: Any, value: Any) -> None:
    at_least_one("maglev")(settings, attribute, value)
    if not 2 <= value <= _LARGEST:
        raise ConfigurationError(f"table_size={value} of policy 'maglev': must be from 2 to {_LARGEST}")


class Maglev(ByAttempts):
    """Maglev hashing, as Alluxio has it: even shares, and few keys that move when workers come and go."""

    name = "maglev"

    @define(frozen=True)
    class Settings:
        """Settings of the table.

        Parameters
        ----------
        table_size:
            Slots; a prime number, some hundred times the number of workers. It must be what the cluster has.
        """

        table_size: int = field(default=65537, validator=_more_than_one)

    def __init__(self, workers: Workers, settings: Any = None, context: Optional[Context] = None) -> None:
        super().__init__(workers, settings, context)
        self.table = self._filled() if workers else array("i")
        """Which worker each slot belongs to, by its number."""

    def _filled(self) -> array[int]:
        size: int = self.settings.table_size
        order = fill_order(self.workers)
        turns = [offset_and_skip(self.workers[who].identity, size) for who in order]
        at = [offset for offset, _ in turns]
        skips = [skip for _, skip in turns]
        table = array("i", [_FREE]) * size
        free = size
        for _ in range(size):
            for turn, who in enumerate(order):
                # The remainder of a sum of two that are smaller than the size, with the sum's sign.
                moved = at[turn] + skips[turn]
                if moved >= size:
                    moved -= size
                elif moved <= -size:
                    moved += size
                at[turn] = moved
                if table[moved] == _FREE if moved >= 0 else table[-moved] == _FREE:
                    table[abs(moved)] = who
                    free -= 1
                    if not free:
                        return table
        return _closed(table)

    def _choose(self, text: bytes) -> int:
        return self.table[abs(_remainder(murmur3(text + _LOOKUP_SEED), self.settings.table_size))]

    def _others(self, text: bytes) -> Iterator[int]:
        start, size = abs(_remainder(murmur3(text + _LOOKUP_SEED), self.settings.table_size)), len(self.table)
        yield from (self.table[(start + step) % size] for step in range(size))
        yield from super()._others(text)  # more workers than slots: not all of them have one


def _closed(table: array[int]) -> array[int]:
    """The table, its free slots given to whoever has the next one. Alluxio's clients fail when they come upon one,
    which a size that is not prime can leave."""
    owner = next(who for who in table if who != _FREE)
    for slot in reversed(range(len(table))):
        if table[slot] == _FREE:
            table[slot] = owner
        else:
            owner = table[slot]
    return table
