"""Which components there are: built-ins, plugins that are passed in, installed packages."""

from __future__ import annotations

import sys
import types
import warnings
from typing import Any, List

import pytest

from alluxiofs import Worker, WorkerIdentity, WorkerPolicy, hookimpl, make_policy
from alluxiofs.assembly import gateway_for
from alluxiofs.errors import (
    ConfigurationError,
    PluginError,
    SettingTypeError,
    UnknownComponentError,
    UnknownSettingError,
)
from alluxiofs.plugins.builtins import BuiltIn
from alluxiofs.registry import POINTS, Registry, choose, point_named, registry_for
from alluxiofs.settings import Choice, Settings
from tests.unit.plugins_on_disk import Install, install, module_of, policy_source

__all__ = ["install"]

POLICY = point_named("policy")
WHERE = "argument 'policy'"


class TestBuiltIns:
    @pytest.mark.parametrize("point", POINTS, ids=lambda point: str(point.name))
    def test_each_is_what_the_list_says(self, point: Any) -> None:
        from alluxiofs.plugins import builtins

        listed: List[BuiltIn] = list(getattr(builtins, point.hook)())
        assert listed
        for built_in in listed:
            cls: Any = Registry().find(point, built_in.name, WHERE).load()
            assert cls.name == built_in.name
            assert getattr(cls, "protocols", ()) == built_in.protocols

    def test_what_is_not_chosen_is_not_imported(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.startswith("alluxiofs.policies.rendezvous")]:
            monkeypatch.delitem(sys.modules, name)  # and given back, to tests that have classes of it
        Registry().find(POLICY, "consistent-hash", WHERE).load()
        assert "alluxiofs.policies.rendezvous" not in sys.modules

    def test_installed_packages_are_not_loaded_for_them(self, install: Install) -> None:
        module = install("other-policies", "raise RuntimeError('imported')")
        gateway_for(
            Settings.parse(target_protocol="memory", policy="consistent-hash", disable_plugins="a-new-registry")
        )
        assert module not in sys.modules

    def test_no_passed_in_plugin_takes_their_names(self) -> None:
        plugin = module_of(policy_source("rendezvous"), "greedy.plugin")
        with pytest.raises(
            PluginError, match=r"two worker policy plugins have the name 'rendezvous'.*alluxiofs.*greedy"
        ):
            Registry([plugin])


class TestPassedIn:
    def test_a_module(self) -> None:
        registry = Registry([module_of(policy_source("mine"))])
        assert registry.find(POLICY, "mine", WHERE).load().name == "mine"

    def test_an_object(self) -> None:
        class Mine(WorkerPolicy):
            """Mine."""

            name = "mine"

            def rank(self, key: str, count: int) -> Any:
                return self.workers[:count]

        class Plugin:
            @hookimpl
            def alluxiofs_worker_policies(self) -> Any:
                return [Mine]

        assert Registry([Plugin(), module_of(policy_source("other"))]).find(POLICY, "mine", WHERE).load() is Mine

    def test_two_modules_of_one_name(self) -> None:
        one, other = module_of(policy_source("one"), "plugin"), module_of(policy_source("other"), "plugin")
        assert set(Registry([one, other]).all(POLICY)) >= {"one", "other"}

    def test_two_with_one_name_are_an_error_that_names_both(self) -> None:
        plugins = [module_of(policy_source("same"), "first.one"), module_of(policy_source("same"), "second.one")]
        with pytest.raises(
            PluginError, match=r"'same': one of plugin 'first.one' of first, one of plugin 'second.one'"
        ):
            Registry(plugins)

    def test_the_same_module_twice_is_once(self) -> None:
        plugin = module_of(policy_source("mine"))
        registry = Registry([plugin, plugin])
        assert list(registry.all(POLICY)).count("mine") == 1
        assert registry.find(POLICY, "mine", WHERE).load() is plugin.Some

    def test_without_hooks(self) -> None:
        with pytest.raises(PluginError, match=r"plugin 'empty\.one' of empty, passed in 'plugins', has no hooks"):
            Registry([types.ModuleType("empty.one")])

    def test_a_wrong_signature_names_plugin_and_hook(self) -> None:
        plugin = module_of(
            """
            from alluxiofs import hookimpl

            @hookimpl
            def alluxiofs_worker_policies(workers):
                return []
            """,
            "wrong.signature",
        )
        with pytest.raises(PluginError) as caught:
            Registry([plugin])
        assert str(caught.value) == (
            "plugin 'wrong.signature' of wrong: hook alluxiofs_worker_policies takes (workers); hooks take no "
            "arguments, and return a list of classes"
        )

    def test_a_hook_that_does_not_exist_says_the_nearest(self) -> None:
        plugin = module_of(
            """
            from alluxiofs import hookimpl

            @hookimpl
            def alluxiofs_worker_policy():
                return []
            """
        )
        with pytest.raises(PluginError, match="did you mean 'alluxiofs_worker_policies'"):
            Registry([plugin])

    @pytest.mark.parametrize("returned", ["None", "3", "1 / 0"])
    def test_a_hook_that_gives_no_list(self, returned: str) -> None:
        plugin = module_of(
            f"""
            from alluxiofs import hookimpl

            @hookimpl
            def alluxiofs_transports():
                return {returned}
            """,
            "odd.plugin",
        )
        with pytest.raises(PluginError, match=r"odd\.plugin.*alluxiofs_transports gives no list of classes"):
            Registry([plugin])

    def test_a_class_where_a_list_of_classes_goes_is_told_what_to_return(self) -> None:
        plugin = module_of(
            """
            from alluxiofs import Transport, hookimpl

            @hookimpl
            def alluxiofs_transports():
                return Transport
            """,
            "odd.plugin",
        )
        with pytest.raises(PluginError, match=r"odd\.plugin.*no list of classes but Transport: return \[Transport\]"):
            Registry([plugin])


class TestClasses:
    """What is wrong with a class is said when it is registered, with its name and whose it is."""

    def registered(self, body: str, base: str = "WorkerPolicy", hook: str = "alluxiofs_worker_policies") -> Registry:
        source = (
            f"from attrs import define\nfrom alluxiofs import *\nclass Odd({base}):\n"
            + "".join(f"    {line}\n" for line in body.splitlines())
            + f"@hookimpl\ndef {hook}(): return [Odd]\n"
        )
        return Registry([module_of(source, "odd.plugin")])

    RANK = "\ndef rank(self, key, count): return []"

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ('"""Odd."""' + RANK, "its name is None"),
            ('"""Odd."""\nname = "Two Words"' + RANK, "its name is 'Two Words'"),
            ('name = "odd"' + RANK, "it has no docstring"),
            ('"""Odd."""\nname = "odd"', "it lacks rank"),
            ('"""Odd."""\nname = "odd"\ninterface_version = 2' + RANK, "version 2 .* install a newer alluxiofs"),
            (
                '"""Odd."""\nname = "odd"\ninterface_version = 0' + RANK,
                "version 0 .* install a newer version of the pl",
            ),
            ('"""Odd."""\nname = "odd"\nclass Settings: pass' + RANK, "Settings is not an attrs class"),
            ('"""Odd."""\nname = "odd"\n@define\nclass Settings: x: object = 1' + RANK, "field 'x' .* cannot be conve"),
            ('"""Odd."""\nname = "odd"\n@define\nclass Settings: x: int = 1' + RANK, r"Odd\.Settings .*frozen=True"),
            (
                '"""Odd."""\nname = "odd"\n@define(slots=False)\nclass Settings: x: int = 1' + RANK,
                r"Odd\.Settings .*frozen=True",
            ),
        ],
    )
    def test_refused(self, body: str, wrong: str) -> None:
        with pytest.raises(PluginError, match=f"worker policy Odd of plugin 'odd.plugin' of odd: .*{wrong}"):
            self.registered(body)

    def test_an_object_of_one(self) -> None:
        source = policy_source("mine").replace("return [Some]", "return [object.__new__(Some)]")
        with pytest.raises(PluginError, match="gives an object of Some in .*: give the class itself"):
            Registry([module_of(source)])

    def test_of_another_interface(self) -> None:
        with pytest.raises(PluginError, match=r"gives .*Odd.* that is not a subclass of alluxiofs\.Transport"):
            self.registered('"""Odd."""\nname = "odd"' + self.RANK, hook="alluxiofs_transports")


class TestUnknown:
    def test_the_message_has_all_there_is_and_the_nearest(self) -> None:
        with pytest.raises(
            LookupError,
            match=r"argument 'policy': there is no worker policy 'rendevous'; did you mean 'rendezvous'.*consistent",
        ):
            Registry().find(POLICY, "rendevous", WHERE)

    @pytest.mark.parametrize("path", ["alluxiofs.policies.rendezvous.Rendezvous", "os:system"])
    def test_an_import_path_is_no_name(self, path: str) -> None:
        with pytest.raises(UnknownComponentError, match="never by an import path"):
            Registry().find(POLICY, path, WHERE)


def test_one_registry_a_configuration() -> None:
    plugin = module_of(policy_source("mine"))
    assert registry_for([plugin], ["a", "b"]) is registry_for([plugin], ["b", "a"])
    assert registry_for([plugin]) is not registry_for()


class TestChoosing:
    def plugin(self) -> Any:
        return module_of(policy_source("mine"))

    def test_a_class_of_a_policy(self) -> None:
        cls = self.plugin().Some
        assert choose(Registry(), POLICY, Choice(given=cls)).cls is cls

    def test_the_settings_of_a_policy(self) -> None:
        from alluxiofs.policies.consistent_hash import ConsistentHash

        chosen = choose(Registry(), POLICY, Choice(given=ConsistentHash.Settings(virtual_nodes=7)))
        assert chosen.cls is ConsistentHash
        assert chosen.describe()["settings"] == {"virtual_nodes": 7}

    @pytest.mark.parametrize("thing", [object(), object, Choice])
    def test_what_is_no_policy(self, thing: Any) -> None:
        with pytest.raises(SettingTypeError, match=r"argument 'policy': .* is no worker policy"):
            choose(Registry(), POLICY, Choice(given=thing))

    def test_a_policy_that_is_made_already(self) -> None:
        made = make_policy("rendezvous", [])
        with pytest.raises(SettingTypeError, match="is made for certain workers"):
            choose(Registry(), POLICY, Choice(given=made))

    def test_what_is_no_page_store(self) -> None:
        with pytest.raises(SettingTypeError, match=r"an object of object is no page store.*alluxiofs\.PageStore"):
            choose(Registry(), point_named("page_store"), Choice(given=object()))


class TestMakePolicy:
    workers = tuple(Worker(WorkerIdentity.from_host(host), host) for host in ("a", "b", "c"))

    def test_by_name_with_settings(self) -> None:
        policy = make_policy("consistent-hash", self.workers, virtual_nodes="5")
        assert len(policy.rank("s3://b/k", 2)) == 2
        assert policy.settings.virtual_nodes == 5

    def test_by_class_with_settings(self) -> None:
        from alluxiofs.policies.consistent_hash import ConsistentHash

        assert make_policy(ConsistentHash, list(self.workers), virtual_nodes=5).settings.virtual_nodes == 5

    def test_wrong_settings_and_workers(self) -> None:
        with pytest.raises(UnknownSettingError, match="did you mean 'virtual_nodes'"):
            make_policy("consistent-hash", self.workers, virtual_node=5)
        with pytest.raises(ConfigurationError, match="same identity"):
            make_policy("rendezvous", [*self.workers, self.workers[0]])
        with pytest.raises(SettingTypeError, match=r"'a' is no alluxiofs\.Worker"):
            make_policy("rendezvous", "abc")  # type: ignore[arg-type]  # that is the point

    def test_nothing_warns(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            make_policy("rendezvous", self.workers)
