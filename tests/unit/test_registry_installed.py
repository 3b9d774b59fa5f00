"""Installed packages: when they are loaded, what is wrong with them, and what is listed of them."""

from __future__ import annotations

import sys

import pytest

from alluxiofs.errors import PluginError, UnknownComponentError
from alluxiofs.registry import POINTS, Registry, point_named
from alluxiofs.registry.listing import list_components, list_usable
from tests.unit.plugins_on_disk import Install, install, module_of, policy_source

__all__ = ["install"]

POLICY = point_named("policy")
WHERE = "argument 'policy'"
UNDER_STORE = point_named("under_store")


class TestInstalled:
    def test_loaded_for_a_name_that_is_not_built_in(self, install: Install) -> None:
        install("my-policies", policy_source("mine"))
        registered = Registry().find(POLICY, "mine", WHERE)
        assert str(registered.source) == "my-policies 1.2"

    def test_loaded_for_a_protocol_that_no_built_in_serves(self, install: Install) -> None:
        install(
            "my-stores",
            """
            from alluxiofs import hookimpl
            from alluxiofs.plugins.under_store_fsspec import FsspecUnderStore

            class Tape(FsspecUnderStore):
                \"\"\"Tapes.\"\"\"

                name = "tape"
                protocols = ("tape",)

            @hookimpl
            def alluxiofs_under_stores():
                return [Tape]
            """,
        )
        found = Registry().serving(UNDER_STORE, "tape")
        assert found is not None
        assert found.name == "tape"

    def test_one_that_takes_a_built_in_name_is_an_error_when_it_is_loaded(self, install: Install) -> None:
        install("greedy", policy_source("rendezvous"))
        install("whole", policy_source("mine"))
        registry = Registry()
        registry.find(POLICY, "rendezvous", WHERE)
        for _ in range(2):
            with pytest.raises(PluginError, match=r"'rendezvous': one of alluxiofs, one of greedy 1\.2"):
                list_components(registry)
            with pytest.raises(PluginError, match="greedy"):
                registry.find(POLICY, "mine", WHERE)
        usable = list_usable()
        assert "mine" in [component.name for component in usable.points["policy"]]
        assert "one of alluxiofs, one of greedy 1.2" in usable.broken["greedy 1.2"]
        assert not usable.blocked

    def test_two_packages_with_one_name_are_an_error_that_names_both_where_it_is_asked_for(
        self, install: Install
    ) -> None:
        install("first", policy_source("same"))
        install("second", policy_source("same"))
        install("third", policy_source("other"))
        registry = Registry()
        assert registry.find(POLICY, "other", WHERE).name == "other"
        for _ in range(2):
            with pytest.raises(
                PluginError,
                match=r"argument 'policy': two .*'same'.*(first 1\.2.*second 1\.2|second 1\.2.*first 1\.2)",
            ):
                registry.find(POLICY, "same", WHERE)
        listing = list_components(registry)
        assert "same" not in [component.name for component in listing.points["policy"]]
        assert "first 1.2" in listing.broken["worker policy 'same'"]

    def test_one_that_was_passed_in_goes_before_an_installed_one(self, install: Install) -> None:
        install("installed", policy_source("mine"))
        registry = Registry([module_of(policy_source("mine"), "passed.in")])
        for _ in range(2):
            assert registry.find(POLICY, "mine", WHERE).source.package == "passed"
            registry.load_installed()

    WRONG = pytest.mark.parametrize(
        ("old", "new", "why"),
        [
            ("alluxiofs_worker_policies()", "alluxiofs_worker_policies(workers)", "takes (workers)"),
            ("return [Some]", "[Some]", "gives no list of classes but None"),
            ("return [Some]", "return [Some, int]", "is not a subclass of alluxiofs.WorkerPolicy"),
            ('name = "wrong"', 'name = "wrong"; interface_version = 2', "install a newer alluxiofs"),
        ],
    )

    @WRONG
    def test_one_that_cannot_be_used_is_a_warning_that_says_how_to_block_it(
        self, install: Install, old: str, new: str, why: str
    ) -> None:
        install("wrong", policy_source("wrong").replace(old, new), entry_point="the-point")
        install("whole", policy_source("mine"))
        with pytest.warns(UserWarning, match="the-point") as warned:
            assert Registry().find(POLICY, "mine", WHERE).load().name == "mine"
        assert len(warned) == 1
        message = str(warned[0].message)
        assert message.startswith("plugin 'the-point' of wrong 1.2 cannot be loaded: ")
        assert why in message
        assert message.endswith("(block it with disable_plugins=['the-point'] or ALLUXIOFS_DISABLE_PLUGINS=the-point)")

    @WRONG
    def test_and_an_error_where_nobody_else_gives_the_name(
        self, install: Install, old: str, new: str, why: str
    ) -> None:
        install("wrong", policy_source("wrong").replace(old, new), entry_point="the-point")
        registry = Registry()
        with pytest.warns(UserWarning, match="the-point"), pytest.raises(UnknownComponentError) as caught:
            registry.find(POLICY, "wrong", WHERE)
        assert why in str(caught.value)
        assert isinstance(caught.value.__cause__, PluginError)
        with pytest.raises(UnknownComponentError, match="is blocked"):
            Registry(disabled=["the-point"]).find(POLICY, "wrong", WHERE)

    def test_nothing_is_left_of_one_that_cannot_be_used(self, install: Install) -> None:
        install("wrong", policy_source("half").replace("return [Some]", "return [Some, int]"))
        registry = Registry()
        with pytest.warns(UserWarning, match="wrong"):
            registry.load_installed()
        assert "half" not in registry.all(POLICY)

    def test_one_that_fails_to_import_is_a_warning(self, install: Install) -> None:
        install("broken", "import there_is_no_such_module")
        install("whole", policy_source("mine"))
        with pytest.warns(UserWarning, match=r"broken 1\.2 cannot be loaded: ModuleNotFoundError: .*there_is_no_such"):
            assert Registry().find(POLICY, "mine", WHERE).name == "mine"

    def test_and_an_error_if_it_may_be_the_one_that_is_asked_for(self, install: Install) -> None:
        install("broken", "import there_is_no_such_module")
        with pytest.warns(UserWarning, match="broken"), pytest.raises(UnknownComponentError) as caught:
            Registry().find(POLICY, "mine", WHERE)
        assert "cannot be loaded: broken 1.2 (No module named 'there_is_no_such_module')" in str(caught.value)
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)

    @pytest.mark.filterwarnings("error")
    def test_where_warnings_are_errors_the_others_are_loaded_all_the_same(self, install: Install) -> None:
        install("whole-before", policy_source("before"))
        install("broken", "import there_is_no_such_module")
        install("whole-after", policy_source("after"))
        registry = Registry()
        with pytest.raises(UserWarning, match="there_is_no_such_module"):
            registry.load_installed()
        assert {"before", "after"} <= set(registry.all(POLICY))

    def test_one_without_hooks_is_a_warning(self, install: Install) -> None:
        install("idle", "x = 1")
        with pytest.warns(UserWarning, match=r"idle 1\.2 cannot be loaded: .*has no hooks"):
            list_components(Registry())

    def test_blocked_by_the_name_of_its_entry_point(self, install: Install) -> None:
        module = install("unwanted", "raise RuntimeError('imported')", entry_point="the-point")
        registry = Registry(disabled=["the-point"])
        with pytest.raises(UnknownComponentError, match="is blocked: plugin 'the-point' of unwanted"):
            registry.find(POLICY, "mine", WHERE)
        assert module not in sys.modules
        assert list_components(registry).blocked == ("plugin 'the-point' of unwanted 1.2",)

    def test_the_same_module_passed_in_and_installed_is_once(self, install: Install) -> None:
        import importlib

        module = install("my-policies", policy_source("mine"))
        registry = Registry([importlib.import_module(module)])
        assert "mine" in registry.all(POLICY)


class TestListing:
    def test_everything_there_is(self, install: Install) -> None:
        install("my-policies", policy_source("mine"))
        listing = list_components(Registry())
        assert set(listing.points) == {point.name for point in POINTS}
        by_name = {component.name: component for component in listing.points["policy"]}
        mine, ring = by_name["mine"], by_name["consistent-hash"]
        assert (mine.package, mine.version, mine.description, mine.settings) == (
            "my-policies",
            "1.2",
            "Some policy.",
            (),
        )
        assert (ring.package, ring.cls) == ("alluxiofs", "alluxiofs.policies.consistent_hash:ConsistentHash")
        assert [(one.name, one.type, one.default, one.secret) for one in ring.settings] == [
            ("virtual_nodes", "int", "2000", False)
        ]
        assert not listing.broken
        assert not listing.blocked

    def test_what_is_broken(self, install: Install) -> None:
        install("broken", "import there_is_no_such_module")
        with pytest.warns(UserWarning, match="broken"):
            listing = list_components(Registry())
        assert listing.broken == {"broken 1.2": "ModuleNotFoundError: No module named 'there_is_no_such_module'"}
