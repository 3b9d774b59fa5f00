"""``alluxiofs metrics`` and ``alluxiofs top``, of a process that works."""

from __future__ import annotations

import importlib
import io
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from alluxiofs.cli.monitoring.exposition import Sample, Series, address_of, parse
from alluxiofs.cli.monitoring.figures import Between, total
from alluxiofs.cli.monitoring.view import view
from alluxiofs.errors import InvalidPathError
from tests.cli.conftest import CONTENT, Command, port_of
from tests.servers import free_port

# --- the page -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_text", "address"),
    [
        ("9464", "http://127.0.0.1:9464/metrics"),
        ("compute-1:9464", "http://compute-1:9464/metrics"),
        ("https://compute-1", "https://compute-1/metrics"),
        ("http://compute-1:80/other", "http://compute-1:80/other"),
        ("compute-1", "http://compute-1:9464/metrics"),
        ("compute-1/other", "http://compute-1:9464/other"),
        ("http://compute-1:9464/", "http://compute-1:9464/metrics"),
        ("[::1]", "http://[::1]:9464/metrics"),
        ("[::1]:80", "http://[::1]:80/metrics"),
        ("http://compute-1/page/", "http://compute-1/page/"),
        ("http://compute-1/page?of=one", "http://compute-1/page?of=one"),
    ],
)
def test_what_is_left_out_of_an_address(given_text: str, address: str) -> None:
    assert address_of(given_text) == address


@pytest.mark.parametrize("given_text", ["http://user:hunter2/more@host", "user:hunter2/more@host"])
def test_what_is_taken_for_a_port_may_be_a_part_of_a_password(given_text: str) -> None:
    with pytest.raises(InvalidPathError) as caught:
        address_of(given_text)
    assert str(caught.value) == "http://***@host: it is no URL"


@pytest.mark.parametrize("name", ["metrics", "top"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("99999", "99999: Port out of range 0-65535"),
        ("0", "0: this names no page of metrics"),
        ("compute-1:http", "compute-1:http: Port could not be cast to integer value as 'http'"),
        ("::1", "::1: "),
        ("", ": this names no page of metrics: say a port, host:port, or a URL of http or https"),
        ("/tmp/metrics", "/tmp/metrics: this names no page of metrics"),
        ("s3://bucket/key", "s3://bucket/key: this names no page of metrics"),
        ("http://", "http://: this names no page of metrics"),
        ("http://[::1", "http://[::1: "),
        ("host name", "host name: this names no page of metrics"),
    ],
)
def test_what_is_no_address_is_said_so_and_used_wrongly(command: Command, name: str, words: str, said: str) -> None:
    done = command(name, words)
    assert done.code == 2
    assert len(done.error_lines) == 1
    assert f"alluxiofs: {said}" in done.errors


@given(
    labels=st.dictionaries(st.sampled_from(["method", "state", "source"]), st.text(max_size=20)),
    value=st.floats(allow_nan=False),
)
def test_it_reads_what_the_client_of_prometheus_writes(labels: Any, value: float) -> None:
    client: Any = importlib.import_module("prometheus_client")
    registry = client.CollectorRegistry()
    gauge = client.Gauge("some_gauge", "Some", sorted(labels), registry=registry)
    (gauge.labels(**labels) if labels else gauge).set(value)
    try:
        text = client.generate_latest(registry).decode()
    except UnicodeEncodeError:  # half of a surrogate pair, which the client does not write
        return
    sample = parse(text)
    assert sample.series["some_gauge"] == (Series(labels, value),)
    assert sample.kinds["some_gauge"] == "gauge"


@pytest.mark.parametrize("text", ["<html>", "name{", 'name{label="x} 1', "name one", 'name{label=x"} 1'])
def test_what_is_no_page_of_metrics(text: str) -> None:
    with pytest.raises(ValueError, match=".+"):
        parse(text)


def sample(at: float, **values: float) -> Sample:
    return Sample(at, {name: (Series({}, value),) for name, value in values.items()}, {}, {})


def test_rates_are_what_happened_between_two_pages() -> None:
    between = Between(sample(10.0, calls_total=100), sample(12.0, calls_total=300))
    assert between.rate("calls_total") == 100
    assert between.rate("others_total") == 0
    assert total(between.later, "others_total") is None


def test_a_process_that_began_anew_counts_from_nothing() -> None:
    assert Between(sample(0.0, calls_total=100), sample(1.0, calls_total=7)).more("calls_total") == 7


def test_calls_that_all_went_well_do_not_fail_by_less_than_nothing() -> None:
    name = "alluxio_http_server_result_total"

    def calls(at: float, **states: float) -> Sample:
        found = (Series({"method": "read", "state": state}, count) for state, count in states.items())
        return Sample(at, {name: tuple(found)}, {}, {})

    *_, table = view(Between(calls(0.0, ok=0, not_held=0), calls(10.0, ok=1, not_held=2)))
    shown = io.StringIO()
    Console(file=shown, width=100).print(table)  # 0.1 and 0.2 a second are more than 0.3 to a computer
    assert " 0.0%" in shown.getvalue()


def test_top_fits_into_a_terminal_of_80_columns(busy: Any) -> None:
    pages = []
    for _ in range(2):
        pages.append(parse(urlopen(busy.describe()["telemetry"][0]["url"]).read().decode()))
        busy.pipe_file("/monitoring/file", CONTENT)
    shown = io.StringIO()
    Console(file=shown, width=80).print(*view(Between(*pages)))
    lines = [line.split() for line in shown.getvalue().splitlines() if line.strip()]
    assert ["calls", "to", "method", "a", "second", "failing", "mean", "half", "within", "99", "%", "within"] in lines
    assert all(len(line) > 1 or set(line[0]) == {"─"} for line in lines), "no word stands alone in a line"
    assert any(line[-3:] == ["page", "store", "failures"] for line in lines)


# --- the commands -------------------------------------------------------------------------------------------------


def test_metrics_once_as_a_table(busy: Any, command: Command) -> None:
    done = command("metrics", port_of(busy))
    assert done.code == 0
    text = done.output.decode()
    assert "alluxiofs_page_store_hits_total" in text
    assert "method=read state=ok under_store=fsspec" in text
    assert "on average" in text
    assert "/monitoring/file" not in text
    assert max(map(len, done.lines)) <= 80, "which is what most terminals have"
    assert len([line for line in done.lines if line.split()[:2] == ["up", "to"]]) >= 4, "below the labels, once"


def test_metrics_as_json(busy: Any, command: Command) -> None:
    found = command("metrics", busy.describe()["telemetry"][0]["url"], "--json").json()
    written = [one for one in found if one["name"] == "alluxiofs_written_bytes_total"]
    assert written == [
        {
            "name": "alluxiofs_written_bytes_total",
            "type": "counter",
            "labels": {"under_store": "fsspec"},
            "value": len(CONTENT),
        }
    ]


def test_top_shows_rates_hits_calls_and_workers(busy: Any, command: Command) -> None:
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            busy.pipe_file("/monitoring/file", CONTENT)
            busy.cat_file("/monitoring/file")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        done = command("top", port_of(busy), "--interval", 0.3, "--count", 2)
    finally:
        ended.set()
        worker.join()
    assert done.code == 0
    text = done.output.decode()
    assert len([line for line in done.lines if line.startswith("page store ")]) == 2
    assert "from page store" in text
    assert "from under store" in text
    assert "hits (" in text
    assert "workers        none" in text
    assert next(line.split()[:2] for line in done.lines if " write " in line) == ["fsspec", "write"]


def test_nobody_listens(command: Command) -> None:
    for name in ("top", "metrics"):
        port = free_port()
        done = command(name, port)
        assert done.code == 1
        telemetry = f'telemetry={{"name": "prometheus", "port": {port}}}'
        assert done.errors == (
            f"alluxiofs: http://127.0.0.1:{port}/metrics: nobody listens there: a program shows a page from the first "
            f"operation on of a filesystem with {telemetry}\n"
        )


def test_no_such_host(command: Command) -> None:
    done = command("metrics", "nowhere.invalid:9464")
    assert done.code == 1
    assert done.error_lines == ["alluxiofs: http://nowhere.invalid:9464/metrics: no such host is known"]


def test_both_look_at_the_usual_port_by_default(command: Command) -> None:
    for name in ("top", "metrics"):
        shown = " ".join(command(name, "--help").output.decode().split())
        assert '"port": 9464}), or only the port, or host:port; by default it is that port on this machine' in shown


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"", "HTTP 404"),
        (200, b"<html></html>", "this is no page of metrics"),
        (200, b"\xff\xfe", "this is no page of metrics"),
        (200, b"up 1\n", "none of alluxiofs"),
    ],
)
def test_somebody_else_listens(command: Command, status: int, body: bytes, said: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of http.server
            """Nobody looks."""

    port = free_port()
    with HTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = command("top", port, "--count", 1)
        thread.join()
    assert done.code == 1
    assert said in done.errors


def test_it_does_not_wait_for_ever(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alluxiofs.cli.monitoring.exposition._PATIENCE", 0.2)
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        done = command("metrics", silent.getsockname()[1])
    assert done.code == 1
    assert "no answer in 0.2 s" in done.errors
