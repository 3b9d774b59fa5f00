"""The arguments of a filesystem, whatever the configuration uses of them."""

from __future__ import annotations

import logging
import warnings
from typing import Any, Dict, List

import fsspec
import pytest

from alluxiofs import LogConfig
from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError
from alluxiofs.settings import Automatic, Choice, Settings
from alluxiofs.settings.removed import REMOVED


def test_defaults() -> None:
    settings = Settings.parse()
    assert (settings.worker_http_port, settings.worker_data_port, settings.etcd_port) == (28080, 29998, 2379)
    assert (settings.scheme, settings.cluster_name) == ("http", "DefaultAlluxioCluster")
    assert settings.policy == Choice("consistent-hash")
    assert settings.page_store is Automatic.AUTOMATIC
    assert (settings.replicas, settings.fallback, settings.metadata, settings.metadata_ttl) == (2, True, "auto", 10.0)
    assert (settings.timeout, settings.deadline) == (30.0, 60.0)
    assert (settings.retries, settings.max_connections) == (2, 32)
    assert (settings.page_size, settings.load_on_miss) == (2**20, False)


def test_text_is_converted_as_it_comes_from_the_environment() -> None:
    settings = Settings.parse(
        replicas="3",
        fallback="false",
        metadata_ttl="1min",
        page_store='{"name": "disk", "capacity": "10GB"}',
        policy="rendezvous",
        telemetry="none, recording",
        target_protocol="S3",
        target_options='{"anon": true}',
        disable_plugins="a,b",
    )
    assert (settings.replicas, settings.fallback, settings.metadata_ttl) == (3, False, 60.0)
    assert settings.page_store == Choice("disk", {"capacity": "10GB"})
    assert settings.policy == Choice("rendezvous")
    assert [choice.name for choice in settings.telemetry] == ["none", "recording"]
    assert (settings.target_protocol, settings.target_options) == ("s3", {"anon": True})
    assert settings.disable_plugins == ("a", "b")


@pytest.mark.parametrize("nothing", [None, "none", "None", ""])
def test_no_page_store(nothing: Any) -> None:
    assert Settings.parse(page_store=nothing).page_store is None


def test_none_is_not_given_for_everything_else() -> None:
    assert Settings.parse(replicas=None, target_options=None, telemetry=None, logger=None) == Settings.parse()


def test_an_unknown_argument_says_the_nearest() -> None:
    with pytest.raises(UnknownSettingError, match="unknown argument 'polcy'; did you mean 'policy'") as caught:
        Settings.parse(polcy="x")
    assert isinstance(caught.value, TypeError)


BAD: Dict[str, Any] = {
    "target_protocol": ["", "alluxiofs", "s3://bucket", 3],
    "target_options": ["x", 3, "[1]"],
    "fs": ["s3", object()],
    "under_store": ["", 3, {"nam": "x"}],
    "under_stores": [3, {"bucket": {}}, {"s3://b": {"protocl": "s3"}}, {"s3://b": {"options": 3}}],
    "worker_hosts": [3, {"host": "a"}],
    "load_balance_domain": [3, " "],
    "etcd_hosts": [3, "", []],
    "etcd_port": [0, 65536, "x", None.__class__],
    "etcd_username": [3],
    "etcd_password": [3],
    "etcd_tls": [{"cacert": "x"}, 3],
    "cluster_name": ["", 3],
    "worker_http_port": [0, "http"],
    "worker_data_port": [-1, 1.5],
    "scheme": ["ftp", 3],
    "ca_certs": [3],
    "client_cert": [3, ["a", "b", "c"]],
    "headers": [3, {"a": 3}],
    "policy": ["", 3, {"virtual_nodes": 3}],
    "membership": ["", 3],
    "transport": ["", True],
    "page_store": [3, {"capacity": 1}],
    "telemetry": [3, [3], [""]],
    "options": [3, {"alluxio.worker.page.store.page.size": 0}],
    "replicas": [0, -1, "x", 1.5, True],
    "fallback": [1, "maybe"],
    "metadata": ["worke", 3],
    "metadata_ttl": [-1, "x", []],
    "metadata_capacity": [-1, "x", 1.5],
    "timeout": [0, -1, "x"],
    "deadline": [0, "0s"],
    "retries": [-1, "x"],
    "max_connections": [0],
    "load_on_miss": ["x", 2],
    "plugins": ["my.module", [3], [None], [[]]],
    "disable_plugins": [3, ""],
    "logger": ["INFO", 3],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_bad_argument_is_named_also_where_nothing_uses_it(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.parse(**{name: value})
    assert isinstance(caught.value, (ValueError, TypeError, LookupError))
    assert repr(name) in str(caught.value) or "option '" in str(caught.value)


def test_every_argument_has_its_bad_values_here() -> None:
    from alluxiofs.settings.arguments import ARGUMENTS

    assert set(BAD) == set(ARGUMENTS)


def test_a_message_says_the_value_and_what_would_be_right() -> None:
    with pytest.raises(SettingTypeError, match=r"argument 'replicas': 1.5 is not a whole number"):
        Settings.parse(replicas=1.5)
    with pytest.raises(ConfigurationError, match=r"argument 'metadata': 'worke' is neither .*did you mean 'worker'"):
        Settings.parse(metadata="worke")


@pytest.mark.parametrize(
    "arguments",
    [
        {"etcd_password": "hunter2", "replicas": "x"},
        {"target_protocol": "s3", "target_options": {"secret": "hunter2"}, "replicas": 0},
        {"etcd_password": ["hunter2"]},
        {"headers": {"Authorization": ["hunter2"]}},
        {"page_store": {"token": "hunter2"}},
        {"page_store": '{"name": "x", "token": "hunter2"'},
        {"target_options": '{"secret": "hunter2"'},
        {"target_options": '[{"secret": "hunter2"}]'},
        {"telemetry": '["x", {"token": "hunter2"}'},
        {"under_stores": {"s3://user:hunter2@bucket": {"protocl": "s3"}}},
    ],
)
def test_no_secret_in_an_error(arguments: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.parse(**arguments)
    error: Any = caught.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__ or error.__context__


def test_no_secret_in_the_repr() -> None:
    settings = Settings.parse(
        target_protocol="s3",
        target_options={"key": "hunter2", "client_kwargs": {"endpoint_url": "http://a:hunter2@h"}},
        etcd_hosts="a",
        etcd_password="hunter2",
        etcd_tls={"key": "hunter2"},
        headers={"X-Whatever": "hunter2"},
        page_store={"name": "x", "pin": "hunter2"},
        under_stores={"gs://b": {"protocol": "gcs", "options": {"token": "hunter2"}}},
    )
    assert "hunter2" not in repr(settings)


def test_equal_settings_have_equal_keys() -> None:
    one = Settings.parse(target_protocol="s3", metadata_ttl="30s", target_options={"a": 1, "b": [2]})
    other = Settings.parse(target_options={"b": [2], "a": 1}, metadata_ttl=30, target_protocol="S3", fo="s3://b/k")
    assert one == other
    assert hash(one) == hash(other)
    assert one.key == other.key


@pytest.mark.parametrize(
    "arguments",
    [
        {"target_options": {"key": "a"}},
        {"target_options": {"key": "b"}},
        {"target_options": {"anon": True}},
        {"target_options": {"anon": 1}},
        {"target_options": {"session": object()}},
        {"logger": logging.getLogger("x")},
        {"page_size": None, "options": {"alluxio.worker.page.store.page.size": "2MB"}},
    ],
)
def test_different_settings_have_different_keys(arguments: Any) -> None:
    arguments.pop("page_size", None)
    others: List[Dict[str, Any]] = [
        {"target_options": {"key": "c"}},
        {"target_options": {"anon": False}},
        {"target_options": {"session": object()}},
    ]
    mine = Settings.parse(target_protocol="s3", **arguments)
    assert all(mine != Settings.parse(target_protocol="s3", **other) for other in others)


def test_an_object_is_equal_to_itself_alone() -> None:
    one, other = object(), object()
    assert Settings.parse(plugins=[one]) == Settings.parse(plugins=[one])
    assert Settings.parse(plugins=[one]) != Settings.parse(plugins=[other])


def test_what_the_caller_changes_afterwards_changes_nothing() -> None:
    options = {"anon": True}
    settings = Settings.parse(target_protocol="s3", target_options=options)
    options["anon"] = False
    assert settings.target_options == {"anon": True}


def test_arguments_that_exclude_each_other() -> None:
    memory = fsspec.filesystem("memory")
    with pytest.raises(ConfigurationError, match="'fs' and 'target_protocol' exclude each other"):
        Settings.parse(fs=memory, target_protocol="memory")
    with pytest.raises(ConfigurationError, match="'worker_hosts' and 'etcd_hosts': workers are found in one way only"):
        Settings.parse(worker_hosts="a", etcd_hosts="b")
    with pytest.raises(ConfigurationError, match="'target_options' needs 'target_protocol'"):
        Settings.parse(target_options={"key": "x"})


def test_what_fsspec_passes_to_every_filesystem_is_accepted() -> None:
    assert (
        Settings.parse(fo="s3://b/k", skip_instance_cache=True, use_listings_cache=False, asynchronous=True, loop=None)
        == Settings.parse()
    )


@pytest.mark.parametrize("name", sorted(REMOVED))
def test_an_argument_of_version_1_warns_and_says_what_to_use(name: str) -> None:
    with pytest.warns(FutureWarning, match=f"argument '{name}' of alluxiofs 1 is ignored") as caught:
        Settings.parse(**{name: 1})
    assert caught[0].filename == __file__


def test_blocked_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLUXIOFS_DISABLE_PLUGINS", "b, c,")
    assert Settings.parse(disable_plugins=["a", "b"]).disable_plugins == ("a", "b", "c")


def test_loggers() -> None:
    assert Settings.parse(logger=LogConfig("/logs")) == Settings.parse(logger=LogConfig(path="/logs", level="info"))
    with pytest.raises(ConfigurationError, match="there is no such level; did you mean 'WARNING'"):
        LogConfig(level="WARNIG")


class TestOptions:
    """Alluxio's own properties."""

    def parse(self, options: Dict[str, Any], **arguments: Any) -> Settings:
        return Settings.parse(options=options, **arguments)

    def test_page_size(self) -> None:
        assert self.parse({"alluxio.worker.page.store.page.size": "20MB"}).page_size == 20 * 2**20

    @pytest.mark.parametrize(
        "name",
        [
            "alluxio.user.worker.selection.policy.consistent.hash.virtual.node.count.per.worker",
            "alluxio.user.consistent.hash.virtual.node.count.per.worker",
        ],
    )
    def test_virtual_nodes(self, name: str) -> None:
        assert self.parse({name: "5"}).policy == Choice("consistent-hash", {"virtual_nodes": 5})

    def test_the_two_names_of_virtual_nodes_must_agree(self) -> None:
        long = "alluxio.user.worker.selection.policy.consistent.hash.virtual.node.count.per.worker"
        short = "alluxio.user.consistent.hash.virtual.node.count.per.worker"
        assert self.parse({long: 5, short: "5"}).policy.settings == {"virtual_nodes": 5}
        with pytest.raises(ConfigurationError, match="say different things"):
            self.parse({long: 5, short: 6})

    @pytest.mark.parametrize(
        ("value", "policy"),
        [
            ("CONSISTENT", "consistent-hash"),
            ("jump", "jump"),
            ("Ketama", "ketama"),
            ("MAGLEV", "maglev"),
            ("MULTI_PROBE", "multi-probe"),
            ("LOCAL", "local-first"),
        ],
    )
    def test_policies(self, value: str, policy: str) -> None:
        assert self.parse({"alluxio.user.worker.selection.policy": value}).policy.name == policy

    def test_a_setting_of_a_policy_that_is_not_chosen_is_checked_and_not_used(self) -> None:
        assert self.parse({"alluxio.user.maglev.hash.lookup.size": 17}).policy == Choice("consistent-hash")
        with pytest.raises(ConfigurationError, match=r"lookup.size': 0 is too little"):
            self.parse({"alluxio.user.maglev.hash.lookup.size": 0})

    def test_an_argument_beats_an_option(self) -> None:
        settings = self.parse(
            {
                "alluxio.user.worker.selection.policy": "MAGLEV",
                "alluxio.user.consistent.hash.virtual.node.count.per.worker": 5,
                "alluxio.user.file.replication.min": 4,
                "alluxio.dora.client.ufs.root": "hdfs://nn/x",
            },
            policy={"name": "consistent-hash", "virtual_nodes": 7},
            replicas=1,
            target_protocol="s3",
        )
        assert settings.policy == Choice("consistent-hash", {"virtual_nodes": 7})
        assert settings.replicas == 1
        assert settings.target_protocol == "s3"

    def test_replicas_and_root(self) -> None:
        settings = self.parse({"alluxio.user.file.replication.min": "0", "alluxio.dora.client.ufs.root": "s3://b/x"})
        assert settings.replicas == 1
        assert settings.target_protocol == "s3"

    @pytest.mark.parametrize("value", ["THROUGH", "cache_through"])
    def test_write_types_that_lose_nothing(self, value: str) -> None:
        self.parse({"alluxio.user.file.writetype.default": value})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("alluxio.user.file.writetype.default", "MUST_CACHE"),
            ("alluxio.user.file.writetype.default", "ASYNC_THROUGH"),
            ("alluxio.user.worker.selection.policy", "REMOTE_ONLY"),
        ],
    )
    def test_refused(self, name: str, value: str) -> None:
        with pytest.raises(ConfigurationError, match="is refused"):
            self.parse({name: value})

    def test_others_of_alluxio_are_ignored_with_a_warning(self) -> None:
        with pytest.warns(UserWarning, match=r"option 'alluxio.user.file.replication.mim' has no .*replication.min'"):
            self.parse({"alluxio.user.file.replication.mim": 3})

    def test_what_is_no_property_is_an_error(self) -> None:
        with pytest.raises(UnknownSettingError, match="unknown option 'page_size'"):
            self.parse({"page_size": 3})


def test_no_warning_without_a_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings.parse(target_protocol="memory", options={"alluxio.worker.page.store.page.size": "1MB"})
