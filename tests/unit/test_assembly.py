"""Settings become a gateway: what is chosen, what is refused, what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from alluxiofs.assembly import gateway_for
from alluxiofs.assembly.stores import choose_stores
from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownComponentError, UnknownSettingError
from alluxiofs.gateway import Gateway
from alluxiofs.registry import registry_for
from alluxiofs.settings import Settings
from alluxiofs.testing import InProcessWorkers, RecordingTelemetry, ScriptedMembership, stand_ins
from alluxiofs.testing.guards import no_io
from tests.unit.plugins_on_disk import module_of


def gateway(**arguments: Any) -> Gateway:
    return gateway_for(Settings.parse(**arguments))


def described(**arguments: Any) -> Dict[str, Any]:
    found: Dict[str, Any] = json.loads(json.dumps(gateway(**arguments).describe()))
    return found


def in_process(**arguments: Any) -> Dict[str, Any]:
    transport = {"name": "in-process", "workers": InProcessWorkers()}
    return {"target_protocol": "memory", "plugins": [stand_ins], "transport": transport, **arguments}


class TestChosenByDefault:
    def test_without_workers_the_under_store_is_read_directly(self) -> None:
        shown = described(target_protocol="memory")
        assert (shown["transport"]["name"], shown["membership"]) == ("direct", None)
        assert (shown["policy"]["name"], shown["telemetry"]) == ("consistent-hash", [])

    @pytest.mark.parametrize(
        ("protocol", "store", "page_store"),
        [
            ("memory", "fsspec", None),
            ("file", "local", None),
            ("local", "local", None),
            ("s3", "s3", "disk"),
            ("s3a", "s3", "disk"),
            ("http", "fsspec", "disk"),
        ],
    )
    def test_under_store_and_page_store_by_protocol(self, protocol: str, store: str, page_store: Any) -> None:
        pytest.importorskip("aiohttp" if protocol == "http" else "fsspec")
        shown = described(target_protocol=protocol)
        assert (shown["under_store"]["name"], shown["under_store"]["protocol"]) == (store, protocol)
        assert (shown["page_store"] or {}).get("name") == page_store

    @pytest.mark.parametrize("protocol", ["zip", "tar", "reference", "dir", "data"])
    def test_none_where_no_page_would_be_found_again(self, protocol: str) -> None:
        assert described(target_protocol=protocol)["page_store"] is None
        assert described(target_protocol=protocol, page_store="memory")["page_store"]["name"] == "memory"

    def test_of_a_directory_of_a_ready_filesystem_that_of_the_filesystem(self) -> None:
        class Remote(fsspec.AbstractFileSystem):
            protocol = "far"

        assert described(fs=DirFileSystem("/d", Remote()))["page_store"]["name"] == "disk"
        assert described(fs=DirFileSystem("/d", MemoryFileSystem()))["page_store"] is None

    def test_no_page_store_where_the_user_wants_none_or_there_are_workers(self) -> None:
        assert described(target_protocol="s3", page_store=None)["page_store"] is None
        workers = in_process(target_protocol="s3", worker_hosts="h1")
        assert described(**workers)["page_store"] is None

    def test_a_ready_filesystem_is_served_by_its_protocol(self, tmp_path: Path) -> None:
        assert described(fs=MemoryFileSystem())["under_store"]["name"] == "fsspec"
        assert described(fs=fsspec.filesystem("file"))["under_store"]["name"] == "local"

    def test_nothing_to_read_from(self) -> None:
        with pytest.raises(ConfigurationError, match="no under store and no workers are named"):
            gateway()

    def test_constructing_does_nothing_outside(self) -> None:
        for arguments in (
            {"target_protocol": "s3"},
            {"target_protocol": "memory", "page_store": "memory"},
            in_process(),
        ):
            arguments = {**arguments, **({} if "plugins" not in arguments else {"worker_hosts": "nobody.invalid"})}
            gateway(**arguments)  # whatever is imported with the first one is not what is meant
            with no_io():
                gateway(**arguments, metadata_ttl=17)


class TestUnderStores:
    def test_an_unknown_protocol_says_the_nearest(self) -> None:
        with pytest.raises(
            UnknownComponentError, match=r"'target_protocol': nobody serves .*'memry'; did you mean 'memory'"
        ):
            gateway(target_protocol="memry")

    def test_a_protocol_that_is_registered_with_fsspec(self) -> None:
        fsspec.register_implementation("mine", MemoryFileSystem, clobber=True)
        assert described(target_protocol="mine")["under_store"]["name"] == "fsspec"

    def test_another_one_for_a_protocol(self) -> None:
        assert described(target_protocol="file", under_store="fsspec")["under_store"]["name"] == "fsspec"
        shown = described(target_protocol="file", under_store={"name": "fsspec", "write_timeout": "2min"})
        assert shown["under_store"]["settings"] == {"write_timeout": 120.0}

    def test_one_that_does_not_serve_the_protocol(self, tmp_path: Path) -> None:
        wrong = "under store 's3' serves s3, s3a, not 'file'"
        with pytest.raises(ConfigurationError, match=f"argument 'target_protocol': {wrong}"):
            gateway(under_store="s3", target_protocol="file")
        with pytest.raises(ConfigurationError, match=f"argument 'under_stores', at 'file://{tmp_path}': {wrong}"):
            gateway(under_stores={f"file://{tmp_path}": {"protocol": "file", "under_store": "s3"}})
        with pytest.raises(ConfigurationError, match="argument 'fs': under store 'local' serves .*, not 'memory'"):
            gateway(under_store="local", fs=MemoryFileSystem())

    def test_one_that_serves_what_a_client_is_a_special_case_of(self) -> None:
        class Special(LocalFileSystem):
            protocol = "special"

        assert described(under_store="local", fs=Special())["under_store"]["name"] == "local"

    def test_by_its_name_alone(self) -> None:
        assert described(under_store="local")["under_store"]["protocol"] == "file"
        with pytest.raises(
            ConfigurationError, match="'fsspec' serves many protocols; say which with 'target_protocol'"
        ):
            gateway(under_store="fsspec")

    def test_several_at_prefixes(self, tmp_path: Path) -> None:
        made = gateway(
            target_protocol="memory",
            under_stores={f"file://{tmp_path}/": {}, "s3a://bucket": {"options": {"secret": "hunter2"}}},
        )
        shown = made.describe()
        assert set(shown["under_stores"]) == {f"file://{tmp_path}", "s3://bucket"}
        assert shown["under_stores"]["s3://bucket"]["name"] == "s3"
        assert "hunter2" not in repr(shown)
        assert made.locate(f"file://{tmp_path}/x").store == f"file://{tmp_path}"
        assert made.locate("/x").store == ""

    def test_one_prefix_in_two_spellings(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'s3://bucket' is there twice"):
            gateway(under_stores={"s3://bucket/": {}, "s3a://bucket": {}})

    def test_a_protocol_there_that_nobody_serves(self) -> None:
        with pytest.raises(UnknownComponentError, match=r"'under_stores', at 'x://b': nobody serves the protocol 's4'"):
            gateway(under_stores={"x://b": {"protocol": "s4"}})


class TestRoot:
    """The property ``alluxio.dora.client.ufs.root``: what stands behind the cluster."""

    def root(self, url: str, **arguments: Any) -> Gateway:
        return gateway(options={"alluxio.dora.client.ufs.root": url}, **arguments)

    @pytest.mark.parametrize(
        ("url", "protocol"),
        [("s3://bucket/dir", "s3"), ("S3A://bucket", "s3a"), ("/data", "file"), ("FILE:///d", "file")],
    )
    def test_its_scheme_is_the_protocol(self, url: str, protocol: str) -> None:
        assert self.root(url).describe()["under_store"]["protocol"] == protocol

    def test_names_are_not_relative_to_it(self) -> None:
        assert self.root("s3://bucket/dir").locate("bucket/dir/key").url == "s3://bucket/dir/key"

    def test_of_an_hdfs_it_has_the_address(self) -> None:
        def options(**more: Any) -> Any:
            settings = Settings.parse(options={"alluxio.dora.client.ufs.root": "hdfs://me@nn:8020/x"}, **more)
            (store,) = choose_stores(settings, registry_for())
            return dict(store.target.options) if store.target else None

        assert options() == {"host": "nn", "port": 8020, "user": "me"}
        assert options(target_options={"host": "other"}) == {"host": "other", "port": 8020, "user": "me"}

    def test_of_an_hdfs_its_port_is_a_number(self) -> None:
        with pytest.raises(ConfigurationError, match=r"ufs\.root': 'hdfs://\*\*\*@nn:8020/x' is no URL: look at its"):
            self.root("hdfs://me:hunter2/y@nn:8020/x")

    def test_arguments_beat_it_with_a_warning(self) -> None:
        with pytest.warns(UserWarning, match=r"ufs\.root': 'hdfs://nn/x' is in none of .* which serve memory; the arg"):
            made = self.root("hdfs://nn/x", target_protocol="memory", metadata_ttl=18)
        assert made.describe()["under_store"]["protocol"] == "memory"

    def test_and_without_where_they_say_the_same(self) -> None:
        self.root("s3://bucket/x", target_protocol="s3a")
        self.root("s3a://bucket/x", under_stores={"s3://bucket": {}})
        self.root("memory://x", fs=MemoryFileSystem())


class TestWorkers:
    def test_worker_hosts_are_a_static_membership(self) -> None:
        shown = described(**in_process(worker_hosts="h1,h2:5", worker_http_port=7, worker_data_port=8))
        assert shown["membership"]["name"] == "static"
        assert [(worker["host"], worker["http_port"]) for worker in shown["workers"]] == [("h1", 7), ("h2", 5)]

    def test_they_are_checked_also_where_nobody_is_asked(self) -> None:
        with pytest.raises(ConfigurationError, match="worker_hosts='h1:x'"):
            gateway(target_protocol="memory", transport="direct", worker_hosts="h1:x")

    def test_they_are_spoken_to_as_alluxios_are(self) -> None:
        shown = described(target_protocol="memory", worker_hosts="h1,h2", headers={"authorization": "s3cr3t"})
        assert (shown["transport"]["name"], shown["membership"]["name"]) == ("alluxio", "static")
        assert [(worker["host"], worker["breaker"]) for worker in shown["workers"]] == [
            ("h1", "closed"),
            ("h2", "closed"),
        ]
        assert "s3cr3t" not in repr(shown)

    def test_a_transport_that_speaks_to_workers_needs_them(self) -> None:
        with pytest.raises(ConfigurationError, match="transport 'in-process' speaks to workers, and none are named"):
            gateway(**in_process())

    def test_two_memberships(self) -> None:
        with pytest.raises(ConfigurationError, match=r"'worker_hosts' stands for membership 'static', .* 'scripted'"):
            gateway(**in_process(worker_hosts="h1", membership="scripted"))

    def test_one_membership_named_twice_is_one(self) -> None:
        assert described(**in_process(worker_hosts="h1", membership="static"))["membership"]["name"] == "static"

    def test_a_membership_that_is_given(self) -> None:
        scripted = ScriptedMembership()
        scripted.push("h1")
        shown = described(**in_process(membership=scripted))
        assert shown["membership"]["name"] == "scripted"
        assert [worker["host"] for worker in shown["workers"]] == ["h1"]

    def test_arguments_become_settings_of_the_transport_that_has_them(self) -> None:
        plugin = module_of(
            """
            from attrs import define
            from alluxiofs import hookimpl
            from alluxiofs.testing import InProcessTransport

            class Encrypted(InProcessTransport):
                \"\"\"With some of the arguments.\"\"\"

                name = "encrypted"

                @define(frozen=True)
                class Settings:
                    scheme: str
                    max_connections: int
                    headers: dict
                    stale_metadata: bool = True

            @hookimpl
            def alluxiofs_transports():
                return [Encrypted]
            """
        )
        shown = described(
            target_protocol="memory",
            plugins=[plugin],
            worker_hosts="h1",
            scheme="https",
            headers={"X-Auth": "hunter2"},
            transport={"name": "encrypted", "max_connections": "5"},
        )
        assert shown["transport"]["settings"] == {
            "scheme": "https",
            "max_connections": 5,
            "headers": "***",
            "stale_metadata": True,
        }


class TestSettings:
    def test_a_wrong_setting_names_component_and_nearest(self) -> None:
        with pytest.raises(UnknownSettingError, match="'capcity' of page store 'memory'; did you mean 'capacity'"):
            gateway(target_protocol="memory", page_store={"name": "memory", "capcity": "1MB"})
        with pytest.raises(
            SettingTypeError, match=r"setting 'capacity' of page store 'memory': .* is not a number of bytes"
        ):
            gateway(target_protocol="memory", page_store={"name": "memory", "capacity": []})

    def test_described_as_they_are_in_effect(self) -> None:
        shown = described(target_protocol="memory", page_store={"name": "memory", "capacity": "2MB"})
        assert shown["page_store"]["settings"] == {"capacity": 2**21}
        assert shown["page_store"]["package"] == "alluxiofs"
        assert shown["page_store"]["class"] == "alluxiofs.pagestores.memory.MemoryPageStore"

    def test_options_reach_the_policy_and_the_pages(self) -> None:
        shown = described(
            target_protocol="memory",
            options={
                "alluxio.worker.page.store.page.size": "20MB",
                "alluxio.user.consistent.hash.virtual.node.count.per.worker": "5",
            },
        )
        assert shown["page_size"] == 20 * 2**20
        assert shown["policy"]["settings"] == {"virtual_nodes": 5}

    def test_no_secret_of_an_under_store_is_described(self) -> None:
        shown = described(target_protocol="s3", target_options={"key": "hunter2", "secret": "hunter2"})
        assert "hunter2" not in repr(shown)

    def test_a_page_store_of_another_page_size(self) -> None:
        made = gateway(target_protocol="memory", page_store="memory").parts.page_store
        with pytest.raises(ConfigurationError, match="the object has pages of 1048576 bytes"):
            gateway(target_protocol="memory", page_store=made, options={"alluxio.worker.page.store.page.size": 5})


class TestInner:
    def test_a_component_builds_another_by_name(self) -> None:
        plugin = module_of(
            """
            from attrs import define
            from alluxiofs import WorkerPolicy, hookimpl

            class Backwards(WorkerPolicy):
                \"\"\"Another policy's choice, from the end.\"\"\"

                name = "backwards"

                @define(frozen=True)
                class Settings:
                    over: str = "rendezvous"

                def __init__(self, workers, settings=None, context=None):
                    super().__init__(workers, settings, context)
                    self.inner = context.build("policy", self.settings.over, workers=workers)

                def rank(self, key, count):
                    return list(reversed(self.inner.rank(key, len(self.workers))))[:count]

            @hookimpl
            def alluxiofs_worker_policies():
                return [Backwards]
            """
        )
        made = gateway(**in_process(worker_hosts="a,b,c", plugins=[stand_ins, plugin], policy="backwards"))
        workers = made.parts.membership.snapshot(made.new_deadline()).workers if made.parts.membership else ()
        inner = gateway(**in_process(worker_hosts="a,b,c", policy="rendezvous")).parts.policy(workers)
        assert made.parts.policy(workers).rank("s3://b/k", 3) == list(reversed(inner.rank("s3://b/k", 3)))


class TestTelemetry:
    BROKEN = """
        from alluxiofs import Telemetry, hookimpl

        class Broken(Telemetry):
            \"\"\"Raises.\"\"\"

            name = "broken"
            told = 0

            def record_call(self, call):
                type(self).told += 1
                raise RuntimeError("broken")

        @hookimpl
        def alluxiofs_telemetry():
            return [Broken]
    """

    def test_several_are_all_told(self) -> None:
        one, other = RecordingTelemetry(), RecordingTelemetry()
        fs = fsspec.filesystem("alluxiofs", target_protocol="memory", telemetry=[one, other], skip_instance_cache=True)
        fs.pipe_file("/told/file", b"x")
        assert fs.cat_file("/told/file") == b"x"
        assert one.calls
        assert one.calls == other.calls

    def test_one_that_raises_is_logged_once_and_never_breaks_a_read(self, caplog: pytest.LogCaptureFixture) -> None:
        plugin, recording = module_of(self.BROKEN), RecordingTelemetry()
        fs = fsspec.filesystem(
            "alluxiofs",
            target_protocol="memory",
            plugins=[plugin],
            telemetry=["broken", recording],
            skip_instance_cache=True,
        )
        for _ in range(3):
            fs.pipe_file("/broken/file", b"x")
        assert fs.cat_file("/broken/file") == b"x"
        assert plugin.Broken.told == 1
        assert len([record for record in caplog.records if "'broken' failed" in record.getMessage()]) == 1
        assert len(recording.calls) >= 3


def test_a_logger_of_the_user(tmp_path: Path) -> None:
    from alluxiofs import LogConfig

    made = gateway(target_protocol="memory", logger=LogConfig(path=str(tmp_path / "logs"), level="INFO"))
    assert not (tmp_path / "logs").exists()
    made.logger.info("something")
    assert "something" in (tmp_path / "logs" / "alluxiofs.log").read_text("utf-8")
    for handler in list(made.logger.handlers):
        made.logger.removeHandler(handler)
        handler.close()
