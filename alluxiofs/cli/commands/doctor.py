"""``alluxiofs doctor``: what is wrong, and what to do about it."""

from __future__ import annotations

import warnings
from typing import List, Optional

import click

from alluxiofs.cli.completing import PathType
from alluxiofs.cli.doctor import Finding, Grade, examine
from alluxiofs.cli.doctor.findings import failed
from alluxiofs.cli.failures import Code, UsageError, code_of
from alluxiofs.cli.output import write_json, write_line
from alluxiofs.cli.session import Session, filesystem_options, pass_session
from alluxiofs.cli.stores import is_configured
from alluxiofs.errors import ConfigurationError, MissingExtraError

__all__ = ["command"]

_MARKS = {Grade.OK: "ok     ", Grade.TOLD: "       ", Grade.WARNING: "WARNING", Grade.WRONG: "WRONG  "}


@click.command("doctor")
@click.argument("path", required=False, type=PathType())
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@filesystem_options
@pass_session
def command(session: Session, path: Optional[str], as_json: bool) -> None:
    """Look at the configuration, the cluster, the under store and the page store; say what is wrong and what to do.

    PATH is a file or folder that there is: with it, virtual nodes and page size are compared with what the cluster
    shows. Nothing is written but a page of its own into the page store, which is dropped at once, and nothing is
    loaded. The exit code is 0 if nothing is wrong.
    """
    if path is None and not is_configured(session.configured()):
        raise UsageError(
            "what is to be looked at? Name a path (s3://bucket/key), a store (--target-protocol s3) or workers "
            "(-o worker_hosts=HOST)"
        )
    code = Code.OK
    found: List[Finding] = []

    def tell(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            _show(finding)

    try:
        with warnings.catch_warnings(record=True) as ignored:
            warnings.simplefilter("always")
            fs = session.filesystem(path)
    except (ConfigurationError, MissingExtraError) as error:
        tell(failed("configuration", error, "'alluxiofs plugins' lists what can be chosen, docs what can be set"))
        code = code_of(error)
    else:
        for warning in ignored:  # an option that has no meaning, an argument of another release
            tell(Finding("configuration", Grade.WARNING, str(warning.message)))
        for finding in examine(fs, path):
            tell(finding)
    wrong, warned = (sum(one.grade is grade for one in found) for grade in (Grade.WRONG, Grade.WARNING))
    if as_json:
        write_json({"ok": not wrong, "findings": [finding.as_data() for finding in found]})
    else:
        write_line(_summary(wrong, warned))
    session.failures.code = code or (Code.FAILED if wrong else Code.OK)


def _summary(wrong: int, warned: int) -> str:
    if wrong:
        return f"{wrong} thing{'s are' if wrong > 1 else ' is'} wrong."
    if warned:
        return f"Nothing is wrong, but look at the warning{'s' if warned > 1 else ''}."
    return "Nothing is wrong."


def _show(finding: Finding) -> None:
    write_line(f"{_MARKS[finding.grade]} {finding.what}: {finding.text}")
    if finding.advice is not None:
        write_line(f"        -> {finding.advice}")
