"""The dialects by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional, Sequence, Tuple

from alluxiofs.testing.stand_in_workers._pages_dialect import PagesDialect
from alluxiofs.testing.stand_in_workers._rest_dialect import RestDialect

if TYPE_CHECKING:
    from alluxiofs.testing.stand_in_workers._core import Core
    from alluxiofs.testing.stand_in_workers._messages import Answer, Request

__all__ = ["DIALECTS", "handlers_of"]

DIALECTS = ("pages", "rest")


def handlers_of(core: Core) -> Sequence[Callable[[Request], Tuple[str, Optional[Answer]]]]:
    """What answers at the HTTP port and, where there is one, at the data port."""
    if core.plan.dialect == "pages":
        return (PagesDialect(core).answer,)
    dialect = RestDialect(core)
    return dialect.answer, dialect.answer_data
