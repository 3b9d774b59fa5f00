"""Everything that anybody may see of a filesystem: log lines, reprs, descriptions, errors, tracebacks."""

from __future__ import annotations

import contextlib
import json
import logging
import traceback
from typing import Any, Callable, List, Optional

import pytest

__all__ = ["Seen"]


class Seen:
    """Collects it.

    Parameters
    ----------
    logs:
        All levels of ours are caught, and of everybody else's what is shown unless one asks for more: some client
        libraries write whole requests to their own DEBUG lines.
    """

    def __init__(self, logs: pytest.LogCaptureFixture) -> None:
        logs.set_level(logging.INFO)
        logs.set_level(logging.DEBUG, "alluxiofs")
        self._logs = logs
        self.texts: List[str] = []
        self.errors = 0

    def of(self, call: Callable[[], Any]) -> Any:
        """What a call returns; what it raises is seen."""
        try:
            return call()
        except Exception as error:
            self.errors += 1
            self.texts += traceback.format_exception(type(error), error, error.__traceback__)
            chained: Optional[BaseException] = error
            while chained is not None:
                self.texts += [str(chained), repr(chained), repr(chained.args)]
                chained = chained.__cause__ or chained.__context__
            return None

    def use(self, fs: Any, folder: str) -> None:
        """Write, read, list and look, also for what is not there; then look at the filesystem itself."""
        logging.getLogger("alluxiofs.canary").debug("caught")
        self.of(lambda: fs.pipe_file(f"{folder}/file", b"content"))
        self.of(lambda: fs.cat_file(f"{folder}/file"))
        self.of(lambda: fs.ls(folder, detail=True, refresh=True))
        self.of(lambda: fs.info(f"{folder}/none"))
        self.texts += [repr(fs), str(fs), repr(fs.gateway), repr(vars(fs.gateway)), json.dumps(fs.describe())]
        with contextlib.suppress(TypeError):  # a callable has no JSON
            self.texts.append(fs.to_json(include_password=False))

    def check(self, *secrets: str) -> None:
        """That none of them is in any of it."""
        texts = [text for one in self._logs.records for text in (one.getMessage(), repr(vars(one)), str(one.exc_text))]
        assert "caught" in texts, "all levels are"
        for text in (*self.texts, *texts, self._logs.text):
            for secret in secrets:
                assert secret not in text
