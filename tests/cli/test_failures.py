"""One line and a code for everything that goes wrong; the command's own face."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from alluxiofs import errors
from alluxiofs.cli import main
from alluxiofs.cli.failures import code_of, explain
from tests.cli.conftest import Command
from tests.cli.interrupts import interrupts_are_heard


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (FileNotFoundError("a/b"), 3, "a/b: no such file or directory"),
        (FileNotFoundError(), 3, "p: no such file or directory"),
        (PermissionError("Forbidden"), 4, "p: Forbidden: permission denied"),
        (errors.not_found("a/b"), 3, "a/b: No such file or directory"),
        (errors.denied("a/b", "the store says no"), 4, "a/b: the store says no"),
        (errors.ReadOnlyError("cannot be written", "a"), 4, "a: cannot be written"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "p: No space left on device"),
        (errors.UnavailableError("nobody answers at h:1"), 1, "p: nobody answers at h:1"),
        (errors.ConfigurationError("argument 'x': bad"), 2, "argument 'x': bad"),
        (errors.MissingExtraError("pip install 'alluxiofs[s3]'"), 2, "pip install 'alluxiofs[s3]'"),
        (RuntimeError("two\nlines"), 1, "p: RuntimeError: two lines"),
        (OSError("see http://user:word@host/ for 'p'"), 1, "see http://***@host/ for 'p'"),
        (click.UsageError("what?"), 2, "p: what?"),
    ],
)
def test_lines_and_codes(error: Exception, code: int, line: str) -> None:
    assert (code_of(error), explain(error, "p")) == (code, line)


def test_a_path_is_named_once_by_its_url() -> None:
    said = errors.UnavailableError("bucket/folder: no connection")
    assert explain(said, "s3://bucket/folder") == "s3://bucket/folder: no connection"
    assert explain(said, "s3://bucket") == "s3://bucket: bucket/folder: no connection"
    assert explain(errors.not_found("bucket/key"), "s3://bucket/key") == "s3://bucket/key: No such file or directory"


def test_debug_prints_the_traceback_before_or_after_the_command(command: Command, url: str) -> None:
    for words in (["ls", "--debug", f"{url}/missing"], ["--debug", "ls", f"{url}/missing"]):
        outcome = command(*words)
        assert outcome.code == 3
        assert outcome.error_lines[0] == "Traceback (most recent call last):"
        assert outcome.error_lines[-1].startswith("alluxiofs: ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["lss"], "alluxiofs: no such command: 'lss'; did you mean 'ls'? (see 'alluxiofs --help')"),
        (["ls"], "alluxiofs: ls: Missing argument 'PATH...'. (see 'alluxiofs ls --help')"),
        (["ls", "--jsno", "x"], None),
        (["ls", "-o", "replicas", "memory:///"], None),
        (["get", "memory:///x"], "alluxiofs: get: Missing argument 'LOCAL'. (see 'alluxiofs get --help')"),
        (["put", "x"], "alluxiofs: put: Missing argument 'PATH'. (see 'alluxiofs put --help')"),
        (["cp", "memory:///x"], "alluxiofs: cp: Missing argument 'TARGET'. (see 'alluxiofs cp --help')"),
        (["mv", "memory:///x"], "alluxiofs: mv: Missing argument 'TARGET'. (see 'alluxiofs mv --help')"),
        (["put"], "alluxiofs: put: Missing argument 'LOCAL...'. (see 'alluxiofs put --help')"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(command: Command, words: list[str], line: str) -> None:
    outcome = command(*words)
    assert (outcome.code, len(outcome.error_lines), outcome.output) == (2, 1, b"")
    assert line is None or outcome.error_lines == [line]


def test_describe_of_nothing_says_what_can_be_described(command: Command) -> None:
    outcome = command("describe")
    assert (outcome.code, len(outcome.error_lines)) == (2, 1)
    for flag in ("--target-protocol", "-o worker_hosts=", "s3://"):
        assert flag in outcome.errors


def test_a_local_path_is_told_its_url(command: Command, store: Path) -> None:
    outcome = command("ls", store)
    assert outcome.code == 2
    assert outcome.errors.endswith(f"; on this machine it is file://{store}\n")
    assert "which store" in command("ls", "").errors


def test_an_unknown_argument_or_component_names_what_there_is(command: Command) -> None:
    unknown = command("ls", "memory:///", "-o", "replica=3")
    assert unknown.code == 2
    assert "'replicas'" in unknown.errors
    policy = command("ls", "memory:///", "--policy", "rendevous")
    assert policy.code == 2
    assert "did you mean 'rendezvous'?" in policy.errors


def test_a_missing_path_and_a_denied_one_have_codes_of_their_own(command: Command, url: str, store: Path) -> None:
    assert command("stat", f"{url}/missing", f"{url}/one").code == 3


def test_help_and_version(command: Command) -> None:
    for words in ([], ["--help"]):
        shown = command(*words)
        assert shown.code == 0
        for name in ("ls", "stat", "cat", "get", "put", "cp", "mv", "rm", "plugins", "describe", "demo", "completion"):
            assert any(line.split()[:1] == [name] for line in shown.lines)
    assert command("--version").lines[0].startswith("alluxiofs ")
    assert command("get", "--help").code == 0


def test_no_summary_is_cut_off(command: Command) -> None:
    for words in ([], ["cache"]):
        assert "..." not in command(*words, "--help").output.decode().partition("Commands:")[2]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_ALLUXIOFS_COMPLETE" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "items"),
    [
        ("ls /et", ["file,/et"]),
        ("get s3://bucket/x ./he", ["file,./he"]),
        ("put a", ["file,a"]),
        ("mv a b c", ["file,c"]),
        ("describe x", ["file,x"]),
        ("ls --policy ren", ["plain,rendezvous"]),
        ("ls --page-store me", ["plain,memory"]),
        ("ls --page-store no", ["plain,none"]),
        ("plugins di", ["plain,direct", "plain,disk"]),
        ("plugins page", ["plain,page-store"]),
        ("cache p", ["plain,pin"]),
        ("cache pin a", ["file,a"]),
    ],
)
def test_what_is_completed(words: str, items: list[str]) -> None:
    typed = f"alluxiofs {words}"
    run = subprocess.run(
        [sys.executable, "-c", "import sys, alluxiofs.cli; sys.exit(alluxiofs.cli.main([]))"],
        env={
            **os.environ,
            "_ALLUXIOFS_COMPLETE": "bash_complete",
            "COMP_WORDS": typed,
            "COMP_CWORD": str(len(typed.split(" ")) - 1),
        },
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert (run.stdout.splitlines(), run.stderr) == (items, "")


def test_the_module_is_the_command(store: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "alluxiofs", "cat", f"file://{store}/one", f"file://{store}/no"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (3, b"1")
    assert run.stderr == f"alluxiofs: file://{store}/no: No such file or directory\n".encode()


def test_importing_the_package_does_not_import_the_libraries_of_the_command() -> None:
    script = "import alluxiofs.filesystem, sys; sys.exit(str({'click', 'rich'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=60)
    assert run.stderr == b"set()\n"


def test_warnings_are_one_line_each(command: Command, url: str, tmp_path: Path) -> None:
    blocked = tmp_path / "pages"
    blocked.mkdir()
    blocked.chmod(0o777)  # where others may put pages none is believed
    outcome = command("cat", f"{url}/two.bin", "--page-store", "disk", "-o", f"page_store.path={blocked}")
    assert (outcome.code, len(outcome.output)) == (0, 2048)
    (line,) = outcome.error_lines
    assert line.startswith("alluxiofs: warning: page store 'disk' does not work, reading goes on without it: ")


def run_with_output(output: str, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command by a shell that sends its standard output somewhere."""
    script = f'exec "$0" -m alluxiofs "$@" {output}'
    return subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, *words], stderr=subprocess.PIPE, check=False, timeout=60
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of Unix")
@pytest.mark.parametrize("words", [["ls"], ["ls", "--json"], ["stat"], ["cat"], ["describe"]])
def test_an_output_that_was_closed_is_the_failure(words: list[str], url: str) -> None:
    run = run_with_output(">&-", *words, f"{url}/two.bin", f"{url}/one") if words != ["describe"] else None
    run = run or run_with_output(">&-", "describe", url)
    assert (run.returncode, run.stderr) == (1, b"alluxiofs: standard output: Bad file descriptor\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
@pytest.mark.parametrize("words", [["ls"], ["cat"], ["stat", "--json"]])
def test_an_output_that_is_full_is_the_failure(words: list[str], url: str) -> None:
    run = run_with_output(">/dev/full", *words, f"{url}/two.bin", f"{url}/one")
    assert (run.returncode, run.stderr) == (1, b"alluxiofs: standard output: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell of Unix")
@pytest.mark.parametrize("words", [["--help"], ["ls", "--help"], ["--version"]])
def test_help_that_nobody_reads(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        run = subprocess.run(
            [sys.executable, "-m", "alluxiofs", *words], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
        )
    finally:
        os.close(writer)
    assert (run.returncode, run.stderr) == (141, b"")


def test_without_a_standard_error_the_code_says_it(url: str, tmp_path: Path) -> None:
    assert run_with_output("2>&-", "get", f"{url}/two.bin", str(tmp_path / "copy")).returncode == 0
    assert run_with_output("2>&-", "stat", f"{url}/missing").returncode == 3


def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as target:
        target.truncate(256 << 20)
    command = [sys.executable, "-m", "alluxiofs", "cat", f"file://{file}"]
    with interrupts_are_heard():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    with process:
        assert process.stdout.read(10) == bytes(10)  # it is at work, and waits for somebody to read on
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.strip() == b""
