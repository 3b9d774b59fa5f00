"""Check that what the README tells people to run is what ran.

Usage: ``python .ci/readme.py README.md TRANSCRIPT`` (the transcript: one command a line, as `.ci/run` notes them).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

BLOCK = re.compile(r"^```(?:shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = "## Development"
REQUIRED = ("pip install -e '.[dev]'", "python -m pytest")  # in the section of that heading
NEEDS_A_BUCKET = "s3://bucket/"  # one that nobody has: these commands show how it is spelled


def commands(text: str) -> list[str]:
    """All commands of the shell blocks of a text, without comments and prompts."""
    lines = "".join(BLOCK.findall(text)).splitlines()
    return [re.sub(r"\s+# .*", "", line).removeprefix("$ ").strip() for line in lines if line]


def main(readme: str, transcript: str) -> None:
    """Exit with a message for each command of the README that did not run."""
    text = Path(readme).read_text(encoding="utf-8")
    ran = set(Path(transcript).read_text(encoding="utf-8").splitlines())
    _, found, development = text.partition(f"\n{HEADING}\n")
    if not found:
        sys.exit(f"{readme}: no section {HEADING!r}")
    section = commands(re.split(r"^## ", development, flags=re.MULTILINE)[0])
    missing = [f"the section {HEADING!r} does not say: {command}" for command in REQUIRED if command not in section]
    told = [command for command in commands(text) if NEEDS_A_BUCKET not in command]
    missing += [f"did not run: {command}" for command in told if command not in ran]
    if missing:
        sys.exit("\n".join(f"{readme}: {line}" for line in missing))
    print(f"{readme}: all of its {len(told)} commands ran")


if __name__ == "__main__":
    main(*sys.argv[1:])
