"""Load jobs, asked of stand-in workers of both dialects."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import re
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest
from fsspec.callbacks import Callback

from alluxiofs import AlluxioClient, LoadState
from alluxiofs.cli import main
from alluxiofs.client import jobs as jobs_module
from alluxiofs.errors import BadAnswerError, ConfigurationError, NotHeldError, NotSupportedError, UnknownSettingError
from alluxiofs.interfaces import Call, Deadline, Event, Location
from alluxiofs.plugins.telemetry_none import NoTelemetry
from alluxiofs.plugins.transport_alluxio import AlluxioTransport
from alluxiofs.testing import make_context
from alluxiofs.testing.guards import eventually
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.lake import recordings

FILES = {"a.bin": 10_000, "b.bin": 3_000, "inner/c.bin": 5_000}
DIALECTS = ["pages", "rest"]


@pytest.fixture(params=DIALECTS)
def cluster(request: Any, tmp_path: Path) -> Iterator[StandInCluster]:
    for name, size in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    with StandInCluster(tmp_path, dialect=request.param, page_size=4096, job_seconds=0.02, job_rest=0.3) as running:
        yield running


@pytest.fixture
def client(cluster: StandInCluster) -> AlluxioClient:
    return AlluxioClient(**cluster.arguments)


def dialect(cluster: StandInCluster) -> str:
    return str(cluster.arguments["transport"]["dialect"])


def held(cluster: StandInCluster, name: str) -> bool:
    return bool(cluster.in_charge(name).kept_pages(name))


# --- what a job does ----------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_to_the_workers_in_charge(cluster: StandInCluster, client: AlluxioClient) -> None:
    assert client.load(cluster.url(), timeout=30) is True
    assert all(held(cluster, name) for name in FILES)
    state, details = client.load_progress(cluster.url())
    assert state is LoadState.SUCCEEDED
    if dialect(cluster) == "pages":
        assert (details["bytes_loaded"], details["bytes_total"]) == (18_000, 18_000)
        assert details["mJobState"] == "SUCCEEDED"


def test_paths_are_those_of_the_under_store_where_one_is_named(cluster: StandInCluster, tmp_path: Path) -> None:
    client = AlluxioClient(target_protocol="file", **cluster.arguments)
    assert client.load(f"{tmp_path}/a.bin")
    assert held(cluster, "a.bin")
    assert not held(cluster, "b.bin")


def test_a_callback_is_told(cluster: StandInCluster, client: AlluxioClient) -> None:
    told: List[LoadState] = []
    assert client.load(cluster.url("a.bin"), callback=lambda state, _details: told.append(state))
    assert told[-1] is LoadState.SUCCEEDED
    bar = Callback()
    assert client.load(cluster.url("b.bin"), callback=bar)
    if dialect(cluster) == "pages":
        assert (bar.size, bar.value) == (3_000, 3_000)


def test_options_reach_the_cluster(cluster: StandInCluster, client: AlluxioClient) -> None:
    assert client.load(cluster.url(), metadata_only=True, bandwidth=10**9, verify=True, verbose=True)
    assert not any(held(cluster, name) for name in FILES)
    cluster.settle_jobs()
    assert client.load(cluster.url(), pattern=".*/b[.]bin")
    assert [name for name in FILES if held(cluster, name)] == ["b.bin"]


def test_an_option_that_does_not_exist(client: AlluxioClient, cluster: StandInCluster) -> None:
    with pytest.raises(UnknownSettingError, match="did you mean 'bandwidth'"):
        client.submit_load(cluster.url("a.bin"), bandwith=3)
    with pytest.raises(ConfigurationError, match="bandwidth=0"):
        client.submit_load(cluster.url("a.bin"), bandwidth=0)


# --- the states and odd answers -----------------------------------------------------------------------------------


def test_a_job_that_runs_is_submitted_already(cluster: StandInCluster, client: AlluxioClient) -> None:
    cluster.hold_jobs()
    assert client.submit_load(cluster.url("a.bin"))
    assert client.submit_load(cluster.url("a.bin"))
    assert client.load_progress(cluster.url("a.bin"))[0] is LoadState.RUNNING
    cluster.release_jobs()
    cluster.settle_jobs()
    assert client.load_progress(cluster.url("a.bin"))[0] is LoadState.SUCCEEDED


def test_a_job_that_ended_a_moment_ago_is_begun_anew(cluster: StandInCluster, client: AlluxioClient) -> None:
    assert client.load(cluster.url("a.bin"))
    cluster.drop("a.bin")
    assert client.load(cluster.url("a.bin")), "it cannot be submitted for a while, which is waited for"
    assert held(cluster, "a.bin")


def test_a_job_that_was_stopped_goes_on(cluster: StandInCluster, client: AlluxioClient) -> None:
    cluster.hold_jobs()
    client.submit_load(cluster.url("a.bin"))
    assert client.stop_load(cluster.url("a.bin")) is True
    assert client.stop_load(cluster.url("a.bin")) is False
    assert client.load_progress(cluster.url("a.bin"))[0] is LoadState.STOPPED
    cluster.release_jobs()
    assert client.load(cluster.url("a.bin"))


def test_while_it_is_waited_for_it_may_be_stopped(cluster: StandInCluster, client: AlluxioClient) -> None:
    cluster.hold_jobs()

    def stop(_state: LoadState, _details: Dict[str, Any]) -> None:
        client.stop_load(cluster.url("a.bin"))

    assert client.load(cluster.url("a.bin"), callback=stop) is False


def test_who_waits_too_long_is_told_and_the_job_goes_on(cluster: StandInCluster, client: AlluxioClient) -> None:
    cluster.hold_jobs()
    assert client.load(cluster.url("a.bin"), timeout=0.1) is False
    cluster.release_jobs()
    cluster.settle_jobs()
    assert held(cluster, "a.bin")


def test_a_path_that_is_not_there(cluster: StandInCluster, client: AlluxioClient, caplog: Any) -> None:
    for name in ("missing.bin", "100%.bin"):  # on the second one the open-source worker closes the connection
        assert client.submit_load(cluster.url(name)) is False
        assert client.load(cluster.url(name)) is False
        assert name in caplog.text


def test_a_job_that_nobody_knows_is_no_job_that_failed(cluster: StandInCluster, client: AlluxioClient) -> None:
    with pytest.raises(FileNotFoundError, match="knows of no load job"):
        client.load_progress(cluster.url("a.bin"))
    assert client.stop_load(cluster.url("a.bin")) is False


@pytest.mark.parametrize("name", ["load_progress_bad", "load_progress_bad_verbose", "load_progress_bad_json"])
def test_a_job_that_failed_as_real_workers_tell_it(tmp_path: Path, name: str) -> None:
    (recorded,) = [one for one in recordings() if one["name"] == name]
    with StandInCluster(tmp_path, workers=1) as cluster:
        cluster.fail("load", faults.OtherBody(base64.b64decode(recorded["response"]["body_b64"])))
        state, details = AlluxioClient(**cluster.arguments).load_progress(cluster.url("bad"))
    assert state is LoadState.FAILED
    assert details["reason"] in ("Job partially failed.", "alluxio.exception.runtime.InternalRuntimeException")


def test_each_recorded_answer_is_understood(tmp_path: Path) -> None:
    """Whatever real workers were heard to say of jobs: as text, as JSON, verbose, of jobs that nobody knows."""
    told: Dict[str, object] = {}
    with StandInCluster(tmp_path, workers=1) as cluster:
        client = AlluxioClient(**cluster.arguments)
        for one in recordings():
            target, response = one["request"]["target"], one["response"]
            if not target.startswith("/v1/load?") or response is None or response["status"] != 200:
                continue
            body = base64.b64decode(response["body_b64"])
            operation = target.partition("opType=")[2].partition("&")[0].lower()
            with cluster.workers[0].failing("load", faults.OtherBody(body)):
                if operation == "submit":
                    told[one["name"]] = client.submit_load(cluster.url("x"))
                    assert told[one["name"]] == json.loads(body)["success"], one["name"]
                elif operation == "stop":
                    told[one["name"]] = client.stop_load(cluster.url("x"))
                    assert told[one["name"]] == json.loads(body)["success"], one["name"]
                elif b"cannot be found" in body:
                    told[one["name"]] = None
                    with pytest.raises(FileNotFoundError):
                        client.load_progress(cluster.url("x"))
                else:
                    state, _ = client.load_progress(cluster.url("x"))
                    told[one["name"]] = state
                    words = re.findall(rb'(?:Job State: |mJobState\\":\\")([A-Z]+)', body)
                    assert state.value.encode() == words[0], one["name"]
    assert {LoadState.RUNNING, LoadState.STOPPED, LoadState.SUCCEEDED, LoadState.FAILED, None, True, False} <= {
        *told.values()
    }
    assert len(told) > 30


# --- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_worker_that_dies_while_its_job_is_waited_for(cluster: StandInCluster, client: AlluxioClient) -> None:
    cluster.hold_jobs("loaded")
    dead: List[object] = []

    def kill(_state: LoadState, _details: Dict[str, Any]) -> None:
        if not dead:
            dead.append(cluster.workers[0])
            cluster.workers[0].kill()
        elif len(dead) == 1:
            dead.append(cluster.workers[1])
            cluster.workers[1].kill()
            cluster.workers[0].revive()
            cluster.release_jobs()

    assert client.load(cluster.url(), timeout=60, callback=kill) is True
    assert len(dead) == 2


def test_a_timeout_holds_though_the_master_is_lost(
    cluster: StandInCluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(jobs_module, "_LEAST", 0.5)
    client = AlluxioClient(**{**cluster.arguments, "deadline": 50})
    cluster.hold_jobs()
    began = time.monotonic()
    assert client.load(cluster.url("a.bin"), timeout=1.5, callback=lambda *_: cluster.kill_master()) is False
    assert time.monotonic() - began < 30
    assert "goes on after 1.5 s" in caplog.text
    with pytest.raises(OSError, match="master"):  # nothing was heard at all
        client.load(cluster.url("b.bin"), timeout=0.1)


def test_without_a_master_it_ends(
    cluster: StandInCluster, client: AlluxioClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "_LIMIT", 0.6)
    cluster.kill_master()
    calls: List[Callable[[], object]] = [
        lambda: client.submit_load(cluster.url("a.bin")),
        lambda: client.load_progress(cluster.url("a.bin")),
        lambda: client.stop_load(cluster.url("a.bin")),
    ]
    for call in calls:
        began = time.monotonic()
        with pytest.raises(OSError, match="master"):
            call()
        assert time.monotonic() - began < 30
    assert {worker["breaker"] for worker in client.gateway.describe()["workers"]} == {"closed"}


def test_another_worker_is_asked_where_one_is_dead(cluster: StandInCluster, client: AlluxioClient) -> None:
    for worker in cluster.workers:
        worker.kill()
        assert client.load(cluster.url("a.bin"))
        worker.revive()
        cluster.settle_jobs()
    for worker in cluster.workers:
        worker.kill()
    with pytest.raises(ConnectionError):
        client.submit_load(cluster.url("a.bin"))


@pytest.mark.parametrize("body", [b"no JSON", b"[]", b'{"jobState":"PONDERING"}', b"{}"])
def test_an_answer_that_makes_no_sense_is_a_failure(
    cluster: StandInCluster, client: AlluxioClient, body: bytes
) -> None:
    assert client.submit_load(cluster.url("a.bin"))
    cluster.settle_jobs()
    cluster.fail("load", faults.OtherBody(body))
    with pytest.raises(BadAnswerError):
        client.load_progress(cluster.url("a.bin"))


def test_a_name_that_cannot_be_asked_for(tmp_path: Path) -> None:
    with StandInCluster(tmp_path, dialect="pages") as cluster:
        client = AlluxioClient(**cluster.arguments)
        with pytest.raises(NotSupportedError, match="cannot be asked for a name with ' '"):
            client.submit_load(cluster.url("a b"))
        with pytest.raises(NotSupportedError, match="pattern|fileFilterRegx"):
            client.submit_load(cluster.url("a"), pattern=r".*\.bin")
        assert cluster.requests == {}


def test_it_travels_to_other_processes(cluster: StandInCluster, client: AlluxioClient) -> None:
    for other in (pickle.loads(pickle.dumps(client)), copy.deepcopy(client)):
        assert other.load(cluster.url("a.bin"))
        assert other.gateway is client.gateway, "filesystems and clients of equal settings share one"


def test_without_workers_there_is_no_client() -> None:
    with pytest.raises(ConfigurationError, match="worker_hosts"):
        AlluxioClient(target_protocol="memory")


# --- the command --------------------------------------------------------------------------------------------------


def words(cluster: StandInCluster, *more: str) -> List[str]:
    arguments = {name: json.dumps(value) for name, value in cluster.arguments.items()}
    return ["load", *(word for name in arguments for word in ("-o", f"{name}={arguments[name]}")), *more]


def run(capfd: Any, command: List[str]) -> Any:
    capfd.readouterr()
    code = main(command)
    output, errors = capfd.readouterr()
    return code, output, errors


def test_the_command_loads_and_says_so(cluster: StandInCluster, capfd: Any) -> None:
    code, output, errors = run(capfd, words(cluster, cluster.url("a.bin"), "--json"))
    assert (code, errors) == (0, "")
    assert json.loads(output)["state"] == "SUCCEEDED"
    assert held(cluster, "a.bin")
    code, output, _ = run(capfd, words(cluster, cluster.url("a.bin"), "--status"))
    assert code == 0
    assert output.startswith(f"{cluster.url('a.bin')}: succeeded")


def test_the_command_starts_and_stops(cluster: StandInCluster, capfd: Any) -> None:
    cluster.hold_jobs()
    url = cluster.url("a.bin")
    assert run(capfd, words(cluster, url, "--no-wait", "--bandwidth", "1MB"))[1] == f"{url}: submitted\n"
    assert "running" in run(capfd, words(cluster, url, "--status"))[1]
    code, _, errors = run(capfd, words(cluster, url, "--timeout", "0.1"))
    assert code == 1
    assert "goes on after 0.1 s" in errors
    assert run(capfd, words(cluster, url, "--stop"))[1] == f"{url}: stopped\n"
    assert "no load job that runs" in run(capfd, words(cluster, url, "--stop"))[1]


def test_the_command_says_what_is_wrong(cluster: StandInCluster, capfd: Any) -> None:
    assert run(capfd, words(cluster, cluster.url("missing")))[0] == 3
    assert run(capfd, words(cluster, cluster.url("a.bin"), "--status"))[0] == 3
    assert run(capfd, words(cluster, cluster.url("a.bin"), "--status", "--stop"))[0] == 2
    code, _, errors = run(capfd, ["load", "s3://bucket/x"])
    assert code == 2
    assert "worker_hosts" in errors


@pytest.mark.parametrize(
    ("said", "state"),
    [(b'{"success":true,"jobId":"1"}', "ok"), (b'{"success":false,"jobId":"NONE"}', "failed"), (b"<html>", "failed")],
    ids=["taken", "refused", "no-answer"],
)
def test_a_job_for_what_was_missed_is_counted_as_submitted_if_it_was_taken(
    tmp_path: Path, said: bytes, state: str
) -> None:
    (tmp_path / "a.bin").write_bytes(b"0123456789")
    calls: List[Call] = []
    events: List[Event] = []

    class Told(NoTelemetry):
        def record_call(self, call: Call) -> None:
            if call.method == "load":
                calls.append(call)

        def record_event(self, event: Event) -> None:
            events.append(event)

    with StandInCluster(tmp_path, workers=1) as cluster:
        cluster.fail("load", faults.OtherBody(said))
        transport = AlluxioTransport(
            AlluxioTransport.Settings(dialect="pages", load_on_miss=True),
            make_context(Told(NoTelemetry.Settings(), make_context())),
            lambda _: pytest.fail("nobody needs the under store"),
        )
        url = cluster.url("a.bin")
        location, deadline = Location("", url, url), Deadline.after(10)
        version = transport.stat(cluster.members[0], location, deadline).version
        with pytest.raises(NotHeldError):
            transport.read_into(cluster.members[0], location, version, 0, memoryview(bytearray(10)), deadline)
        assert eventually(lambda: bool(calls), 60)
        transport.close()
    assert [call.state for call in calls] == [state]
    assert [(one.kind, one.reason) for one in events] == ([("load_job", "submitted")] if state == "ok" else [])
