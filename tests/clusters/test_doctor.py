"""``alluxiofs doctor`` finds what newcomers do, and says what to do instead."""

from __future__ import annotations

import ast
import logging
import re
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alluxiofs import AlluxioFileSystem, make_policy
from alluxiofs.cli import main
from alluxiofs.testing.stand_in_workers import StandInCluster, faults
from tests.clusters.doctors import FILES, Doctor, cluster, doctor, lake, told
from tests.servers import S3Server, free_port

__all__ = ["cluster", "doctor", "lake"]


# --- nothing is wrong ---------------------------------------------------------------------------------------------


def test_a_cluster_that_is_well(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    found = {one["what"]: one for one in doctor(str(lake), **told(cluster))}
    assert doctor.code == 0
    assert {one["grade"] for one in found.values()} <= {"ok", "told"}
    assert found["membership"]["facts"] == {"workers": 3}
    assert found["worker"]["facts"]["dialect"] == "pages"
    assert found["worker"]["facts"]["milliseconds"] > 0
    assert found["page size"]["facts"] == {"configured": 4096, "found": 4096}
    assert found["virtual nodes"]["facts"]["as_expected"] == FILES


def test_of_the_newer_dialect_too(doctor: Doctor, lake: Path) -> None:
    with StandInCluster(lake, workers=3, dialect="rest", virtual_nodes=5, page_size="4KB") as cluster:
        arguments = told(cluster, transport="alluxio")
        found = {one["what"]: one for one in doctor(str(lake), **arguments)}
        assert doctor.code == 0
        assert found["dialect"]["text"] == "the workers speak dialect 'rest'"
        assert found["virtual nodes"]["facts"]["as_expected"] == FILES
        assert found["page size"]["text"].startswith("no worker tells; configured are ")
        what, _, advice = doctor.wrong(str(lake), **{**arguments, "policy": "consistent-hash"})
        assert (what, "'virtual_nodes': 5}" in advice) == ("virtual nodes", True)
        assert sum(cluster.requests.get(route, 0) for route in ("page", "data")) == 0, "nothing is read"


def test_a_store_without_workers(doctor: Doctor, lake: Path, capfd: Any) -> None:
    assert doctor(f"file://{lake}")[-1]["text"].endswith(f"{FILES} entries")
    capfd.readouterr()
    assert main(["doctor", f"file://{lake}"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "Nothing is wrong."
    assert any(line.startswith("ok      under store") for line in lines)


def test_where_workers_are_is_in_one_line(cluster: StandInCluster, lake: Path, capfd: Any) -> None:
    hosts = ",".join(f"{member.host}:{member.http_port}" for member in cluster.members)
    assert main(["doctor", str(lake), "-o", "target_protocol=file", "-o", f"worker_hosts={hosts}"]) == 1
    assert f"membership static: workers={hosts}, " in capfd.readouterr().out


# --- what newcomers do --------------------------------------------------------------------------------------------


def test_a_typo_in_an_option(doctor: Doctor) -> None:
    what, text, _ = doctor.wrong(target_protocol="memory", worker_host="worker-1")
    assert (what, doctor.code) == ("configuration", 2)
    assert "did you mean 'worker_hosts'" in text
    _, text, _ = doctor.wrong(target_protocol="memory", policy="magelv")
    assert "did you mean 'maglev'" in text


def test_a_typo_in_a_property(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    options = {**cluster.arguments["options"], "alluxio.worker.page.store.pagesize": "4MB"}
    found = doctor(str(lake), **told(cluster, options=options))
    (warned,) = [one for one in found if one["grade"] == "warning"]
    assert warned["what"] == "configuration"
    assert "did you mean 'alluxio.worker.page.store.page.size'" in warned["text"]
    assert doctor.code == 0


@pytest.mark.parametrize(("configured", "spoken"), [("rest", "pages"), ("pages", "rest")])
def test_another_dialect_than_the_clusters(doctor: Doctor, lake: Path, configured: str, spoken: str) -> None:
    with StandInCluster(lake, dialect=spoken) as cluster:
        cluster.load_all()
        transport = {"name": "alluxio", "dialect": configured}
        what, text, advice = doctor.wrong(str(lake), **told(cluster, transport=transport))
    assert what == "dialect"
    assert text == f"the workers speak dialect {spoken!r}, and {configured!r} is configured"
    assert f"'dialect': {spoken!r}" in advice


def test_workers_of_two_clusters(doctor: Doctor, lake: Path) -> None:
    with StandInCluster(lake, workers=1) as old, StandInCluster(lake, workers=1, dialect="rest") as new:
        hosts = ",".join(f"{member.host}:{member.http_port}" for member in (*old.members, *new.members))
        found = {one["what"]: one for one in doctor(str(lake), target_protocol="file", worker_hosts=hosts)}
    assert found["dialect"]["grade"] == "wrong"
    assert found["dialect"]["text"] == "the workers speak dialect 'pages' and 'rest'"


def test_nobody_listens(doctor: Doctor) -> None:
    port = free_port()
    what, text, advice = doctor.wrong(target_protocol="memory", worker_hosts=f"127.0.0.1:{port}")
    assert what == "worker"
    assert f"127.0.0.1:{port}" in text
    assert "alluxio.worker.http.server.port" in advice


def test_the_port_of_something_else(doctor: Doctor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:  # takes connections, and never answers
        port = listening.getsockname()[1]
        what, text, advice = doctor.wrong(
            target_protocol="memory", worker_hosts=f"127.0.0.1:{port}", transport="alluxio", timeout="0.3s"
        )
    assert (what, str(port) in text) == ("worker", True)
    assert "28080" in advice


def test_the_port_of_another_web_server(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    cluster.fail("*", faults.Status(404, b"<html>nginx</html>"))
    found = doctor(str(lake), **told(cluster, transport="alluxio"))
    advice = [one["advice"] for one in found if one["what"] == "worker"]
    assert all("something else listens there" in one for one in advice)


def test_a_name_that_does_not_resolve(doctor: Doctor) -> None:
    what, _, advice = doctor.wrong(target_protocol="memory", worker_hosts="worker.invalid")
    assert what == "worker"
    assert "does not resolve" in advice


def test_tls_where_there_is_none(doctor: Doctor, lake: Path) -> None:
    with StandInCluster(lake, workers=1) as cluster:
        what, _, advice = doctor.wrong(str(lake), **told(cluster, scheme="https", timeout="0.3s"))
    assert what == "worker"
    assert "scheme" in advice


def test_a_token_that_is_missing(doctor: Doctor, lake: Path) -> None:
    with StandInCluster(lake, workers=1, dialect="rest") as cluster:
        cluster.fail("health", faults.Status(401))
        what, _, advice = doctor.wrong(str(lake), **told(cluster))
    assert what == "worker"
    assert "headers" in advice


def test_an_etcd_that_is_not_there(doctor: Doctor) -> None:
    what, _, advice = doctor.wrong(target_protocol="memory", etcd_hosts=f"127.0.0.1:{free_port()}")
    assert what == "membership"
    assert "etcd_hosts" in advice


def test_another_page_size_than_the_clusters(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    what, text, advice = doctor.wrong(str(lake), **told(cluster, options={}))
    assert what == "page size"
    assert "4096 bytes, and 1048576 are configured" in text
    assert "{'alluxio.worker.page.store.page.size': 4096}" in advice


def test_another_number_of_virtual_nodes(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    what, text, advice = doctor.wrong(str(lake), **told(cluster, policy="consistent-hash"))
    assert what == "virtual nodes"
    assert f"of {FILES} files" in text
    assert f"'virtual_nodes': 5}}: {FILES} of {FILES} fit" in advice
    assert "virtual.node.count.per.worker" in advice, "by which the cluster has it"


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param("maglev", id="another policy"),
        pytest.param({"name": "consistent-hash", "virtual_nodes": 2000}, id="a number that goes before options"),
    ],
)
def test_the_policy_that_is_advised_is_the_right_one(
    doctor: Doctor, cluster: StandInCluster, lake: Path, policy: Any
) -> None:
    what, _, advice = doctor.wrong(str(lake), **told(cluster, policy=policy))
    assert what == "virtual nodes"
    found = re.match(r"set policy=(\{.*?\}): ", advice)
    assert found is not None, advice
    advised = ast.literal_eval(found[1])
    assert advised == {"name": "consistent-hash", "virtual_nodes": 5}
    told_so = {one["what"]: one for one in doctor(str(lake), **told(cluster, policy=advised))}
    assert (doctor.code, told_so["virtual nodes"]["facts"]["as_expected"]) == (0, FILES)


def test_another_policy_than_the_clusters(doctor: Doctor, lake: Path) -> None:
    with StandInCluster(lake, workers=3, page_size=4096) as cluster:
        rings = [
            make_policy("consistent-hash", cluster.members, virtual_nodes=nodes) for nodes in (*range(1, 100), 2000)
        ]
        for name in (f"file-{number}.bin" for number in range(FILES)):
            # The one that the fewest would ask first: by chance many files could be where some number has them.
            asked = Counter(ring.rank(cluster.url(name), 1)[0].http_port for ring in rings)
            min(cluster.workers, key=lambda worker: asked[worker.worker.http_port]).load(name)
        found = {one["what"]: one for one in doctor(str(lake), **told(cluster))}
    assert found["virtual nodes"]["grade"] in ("wrong", "warning")
    assert "another policy" in found["virtual nodes"]["advice"]


def test_a_cluster_that_holds_nothing(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    cluster.drop()
    found = {one["what"]: one for one in doctor(str(lake), **told(cluster))}
    assert (doctor.code, found["placement"]["grade"]) == (0, "warning")
    assert "alluxiofs load" in found["placement"]["advice"]


def test_a_worker_of_several_is_dead(doctor: Doctor, cluster: StandInCluster, lake: Path) -> None:
    cluster.workers[1].kill()
    what, text, _ = doctor.wrong(str(lake), **told(cluster))
    assert what == "worker"
    assert str(cluster.members[1].http_port) in text


def test_a_path_that_is_not_there(doctor: Doctor, lake: Path) -> None:
    what, text, advice = doctor.wrong(f"file://{lake}/mising")
    assert what == "under store local"
    assert "mising" in text
    assert "no such path" in advice


# --- what files there are -----------------------------------------------------------------------------------------


def test_without_an_under_store_the_path_is_looked_at_through_the_workers(
    doctor: Doctor, cluster: StandInCluster, lake: Path
) -> None:
    """As all other commands do with these arguments."""
    for path, files in ((f"file://{lake}/file-3.bin", 1), (f"file://{lake}", FILES)):
        found = {one["what"]: one for one in doctor(path, **cluster.arguments)}
        assert doctor.code == 0
        assert found["path"]["grade"] == "ok"
        assert found["virtual nodes"]["facts"] == {"policy": "consistent-hash", "files": files, "as_expected": files}
        assert "target_protocol='file'" in found["under store"]["advice"]
    what, text, advice = doctor.wrong(f"file://{lake}/mising", **cluster.arguments)
    assert (what, "mising" in text, "no such path" in advice) == ("path", True, True)


def test_a_folder_of_folders(doctor: Doctor, tmp_path: Path) -> None:
    for year in ("2024", "2025", "2026"):
        for month in ("01", "02"):
            folder = tmp_path / year / month
            folder.mkdir(parents=True)
            (folder / "part-0.bin").write_bytes(b"part" * 1000)
    with StandInCluster(tmp_path, workers=3, page_size=4096, virtual_nodes=5) as cluster:
        cluster.load_all()
        for arguments in (told(cluster), cluster.arguments):
            found = {one["what"]: one for one in doctor(f"file://{tmp_path}", **arguments)}
            what = "under store local" if "target_protocol" in arguments else "path"
            assert found[what]["text"].endswith(
                "3 entries, 3 of them folders; 6 files were found in it and 9 folders below"
            )
            assert found["virtual nodes"]["facts"]["as_expected"] == 6


def test_folders_without_files_are_told_and_not_all_of_them_are_looked_at(doctor: Doctor, tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"folder-{number}" / "inner").mkdir(parents=True)
    (found,) = [one for one in doctor(f"file://{tmp_path}") if one["what"] == "under store local"]
    assert found["text"].endswith("30 entries, 30 of them folders; no file was found in 20 folders below")
    assert "folder with files" in found["advice"]


# --- names that workers of dialect 'pages' cannot be asked for ----------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table as Hive lays it out."""
    for month in range(1, 4):
        (tmp_path / f"month={month}").mkdir()
        (tmp_path / f"month={month}" / "part-0.parquet").write_bytes(bytes([month]) * 9000)
    return tmp_path


def test_a_table_of_hive_is_never_read_from_workers_of_dialect_pages(doctor: Doctor, table: Path) -> None:
    with StandInCluster(table, workers=3, page_size=4096) as cluster:
        cluster.load_all()
        found = {one["what"]: one for one in doctor(f"file://{table}", **told(cluster))}
    assert (doctor.code, found["names"]["grade"]) == (0, "warning")
    assert found["names"]["text"].startswith("3 of 3 files are never read from workers")
    assert "cannot be asked for a name with '=' in it" in found["names"]["text"]
    assert all(word in found["names"]["advice"] for word in ("under store", "'rest'"))
    assert found["names"]["facts"] == {"files": 3, "refused": 3}
    assert found["placement"]["text"] == "not looked at: workers cannot be asked for any of the files"


def test_of_files_of_both_kinds_those_that_can_be_are_asked_for(doctor: Doctor, table: Path) -> None:
    for number in range(FILES):
        (table / f"flat-{number}").write_bytes(b"flat" * 2000)
    with StandInCluster(table, workers=3, page_size=4096) as cluster:
        cluster.load_all()
        found = {one["what"]: one for one in doctor(f"file://{table}", **told(cluster))}
    assert found["names"]["facts"] == {"files": FILES + 3, "refused": 3}
    assert found["virtual nodes"]["facts"]["as_expected"] == FILES


def test_workers_of_dialect_rest_are_asked_for_such_names(doctor: Doctor, table: Path) -> None:
    with StandInCluster(table, workers=3, dialect="rest") as cluster:
        found = {one["what"]: one for one in doctor(f"file://{table}", **told(cluster))}
    assert (doctor.code, "names" in found) == (0, False)
    assert found["virtual nodes"]["facts"]["as_expected"] == 3


def test_without_an_under_store_such_names_cannot_be_read_at_all(doctor: Doctor, table: Path) -> None:
    with StandInCluster(table, workers=1, page_size=4096) as cluster:
        what, text, advice = doctor.wrong(f"file://{table}/month=1/part-0.parquet", **cluster.arguments)
        assert (what, "'='" in text, "target_protocol='file'" in advice) == ("path", True, True)
        found = {one["what"]: one for one in doctor(f"file://{table}", **cluster.arguments)}
    assert (found["path"]["grade"], found["path"]["advice"]) == ("warning", advice)
    assert "no file was found in 3 folders below" in found["path"]["text"]
    assert "'='" in found["path"]["text"]


def test_reading_such_names_is_told_in_the_log_once(table: Path, caplog: pytest.LogCaptureFixture) -> None:
    with StandInCluster(table, workers=1, page_size=4096) as cluster:
        fs = AlluxioFileSystem(**told(cluster), skip_instance_cache=True)
        with caplog.at_level(logging.WARNING, logger="alluxiofs"):
            for month in (1, 2, 3):
                assert fs.cat_file(f"{table}/month={month}/part-0.parquet") == bytes([month]) * 9000
        assert "page" not in cluster.requests
    (record,) = [one for one in caplog.records if "cannot be asked for" in one.getMessage()]
    assert record.levelno == logging.WARNING
    assert "from the under store" in record.getMessage()


# --- S3 -----------------------------------------------------------------------------------------------------------


def test_a_bucket_and_its_key(doctor: Doctor, s3_server: S3Server, s3_bucket: str) -> None:
    doctor(f"s3://{s3_bucket}", target_options=s3_server.options)
    assert doctor.code == 0
    what, text, advice = doctor.wrong("s3://no-such-bucket-here", target_options=s3_server.options)
    assert what == "under store s3"
    assert "no-such-bucket-here" in text
    assert "bucket" in advice
    wrong_key = {**s3_server.options, "secret": "hunter2hunter2"}
    _, text, advice = doctor.wrong(f"s3://{s3_bucket}", target_options=wrong_key)
    assert "hunter2" not in text
    assert "credentials" in advice


def test_an_endpoint_where_nobody_is(doctor: Doctor, s3_server: S3Server, s3_bucket: str) -> None:
    nowhere = s3_server.options_at(f"http://127.0.0.1:{free_port()}")
    _, _, advice = doctor.wrong(f"s3://{s3_bucket}", target_options=nowhere)
    assert "endpoint_url" in advice


def test_nothing_is_named(capfd: Any) -> None:
    assert main(["doctor"]) == 2
    assert "worker_hosts" in capfd.readouterr().err
