"""``dev-cluster``: started as a user would, asked over HTTP, ended as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Iterator, List

import pytest

from alluxiofs.testing.stand_in_workers import file_id
from tests.cli.conftest import Command
from tests.cli.interrupts import interrupts_are_heard
from tests.servers import S3Server, free_port, missing


@contextlib.contextmanager
def running(*words: object) -> Iterator[Any]:
    command = [sys.executable, "-m", "alluxiofs", "dev-cluster", *map(str, words)]
    with interrupts_are_heard():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as response:
        body: bytes = response.read()
    return body


def test_workers_answer_until_they_are_interrupted(store: Path) -> None:
    port = free_port()
    with running(store, "--first-port", port, "--workers", 1, "--load", "--page-size", "1KB") as process:
        lines = [process.stdout.readline().strip() for _ in range(4)]
        assert lines[0] == f"under store   {store.as_uri()}"
        assert lines[1] == f"worker_hosts  127.0.0.1:{port}"
        assert lines[2].endswith(f"127.0.0.1:{port}  4 pages")
        path = urllib.parse.quote(f"{store.as_uri()}/one", safe=":/")
        assert json.loads(get(f"http://127.0.0.1:{port}/v1/info?path={path}"))[0]["mLength"] == 1
        page = get(f"http://127.0.0.1:{port}/v1/file/{file_id(f'{store.as_uri()}/two.bin')}/page/1")
        assert page == (store / "two.bin").read_bytes()[1024:]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "no production cache" in errors
        assert len(errors.split()) == len(errors.splitlines()[0].split()), "to be interrupted is no failure"
    with pytest.raises(OSError, match="refused"):
        get(f"http://127.0.0.1:{port}/v1/health")


def test_a_store_behind_a_network_with_options_of_its_client(
    command: Command, s3_server: S3Server, s3_client: Any, s3_bucket: str
) -> None:
    s3_client.pipe_file(f"{s3_bucket}/folder/a.bin", bytes(5000))
    url = f"s3://{s3_bucket}/folder"
    options = ["-o", f"target_options={json.dumps(s3_server.options)}"]
    with running(url, *options, "--workers", 1) as process:
        lines = [process.stdout.readline().strip() for _ in range(2)]
        assert lines[0] == f"under store   {url}"
        hosts = lines[1].split()[1]
        loaded = command("load", f"{url}/a.bin", *options, "-o", f"worker_hosts={hosts}", "--json")
        assert (loaded.code, loaded.errors) == (0, "")
        assert loaded.json()["bytes_loaded"] == 5000
    for words, code, said in (
        ([f"{url}/no-such", *options], 3, "there is nothing here for the stand-in workers to serve"),
        ([url, "-o", f"target_options={json.dumps({**s3_server.options, 'secret': 'wrong-one'})}"], 4, s3_bucket),
    ):
        refused = command("dev-cluster", *words)
        assert refused.code == code, refused.errors
        assert said in refused.error_lines[-1]
        assert "Traceback" not in refused.errors
        assert "wrong-one" not in refused.errors


@pytest.mark.parametrize("dialect", ["pages", "rest"])
def test_the_doctor_finds_nothing_wrong_with_what_is_printed(command: Command, tmp_path: Path, dialect: str) -> None:
    for number in range(4):
        (tmp_path / f"file-{number}").write_bytes(bytes(5000))
    with running(tmp_path, "--dialect", dialect, "--page-size", "1KB", "--load") as process:
        lines = [process.stdout.readline().strip() for _ in range(5)]
        words = shlex.split(lines[4][len("look at them") :])
        assert words[:2] == ["alluxiofs", "doctor"]
        found = command(*words[1:], "--json")
        assert found.code == 0, found.output
        findings = found.json()["findings"]
        assert ("virtual nodes", "ok") in [(one["what"], one["grade"]) for one in findings]
        complaints = [one for one in findings if one["grade"] not in ("ok", "told")]
        # That answers take their time says how busy this machine is.
        assert [one for one in complaints if "milliseconds" not in one.get("facts", {})] == []
        assert f"worker_hosts={lines[1].split(None, 1)[1]}" in words


def test_a_worker_that_dies_is_told_and_the_others_go_on(store: Path) -> None:
    with running(store, "--workers", 3) as process:
        addresses = [process.stdout.readline() for _ in range(7)][1].split()[1].split(",")
        processes = _children_of(process.pid)
        assert len(processes) == len(addresses) == 3
        process.stderr.readline()  # that it is no production cache
        for killed, left in zip(processes, ("2 of 3 go on", "1 of 3 go on", "none is left")):
            for address in addresses:
                assert get(f"http://{address}/v1/health") == b"worker is active"
            os.kill(killed, signal.SIGKILL)
            told = re.fullmatch(r"alluxiofs: dev-cluster: worker (\S+) has ended \(SIGKILL\): (.*)\n", _line(process))
            assert told is not None
            assert told[2] == left
            addresses.remove(told[1])
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (1, "")


def _line(process: Any) -> str:
    line: str = process.stderr.readline()
    return line


def _children_of(parent: int) -> List[int]:
    if shutil.which("ps") is None:
        missing("ps, which lists processes, is not there")
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    rows = [tuple(map(int, line.split())) for line in table.splitlines()]
    return [pid for pid, above in rows if above == parent]


def test_json_says_what_a_filesystem_is_to_be_told(store: Path) -> None:
    with running(store.as_uri(), "--dialect", "rest", "--json") as process:
        text = ""
        while not text.endswith("\n}\n"):
            text += process.stdout.readline()
        told = json.loads(text)
        assert told["transport"] == {"name": "alluxio", "dialect": "rest"}
        host, port = told["worker_hosts"][1]["host"], told["worker_hosts"][1]["http_port"]
        assert get(f"http://{host}:{port}/v1/health") == b"worker is active"


def test_a_folder_that_is_not_there_and_a_page_size_that_is_none(command: Command, tmp_path: Path) -> None:
    missing = command("dev-cluster", tmp_path / "missing")
    assert missing.code == 3
    assert str(tmp_path / "missing") in missing.errors
    assert command("dev-cluster", tmp_path, "--page-size", "a lot").code == 2


def test_help_says_that_it_is_no_production_cache(command: Command) -> None:
    assert b"no production cache" in command("dev-cluster", "--help").output
