"""Where to put what was written in the wrong place."""

from __future__ import annotations

__all__ = ["of_argument", "of_setting"]

_PAGE_SIZE = "the size of a page is options={'alluxio.worker.page.store.page.size': '4MB'}"
_OF_THE_PAGE_STORE = frozenset({"capacity", "eviction", "max_age", "path", "verify"})
_OF_THE_CLIENT = frozenset(
    {
        "access_key",
        "account_name",
        "anon",
        "client_kwargs",
        "config_kwargs",
        "default_block_size",
        "endpoint",
        "endpoint_url",
        "key",
        "password",
        "profile",
        "project",
        "region",
        "region_name",
        "s3_additional_kwargs",
        "secret",
        "secret_key",
        "token",
        "use_ssl",
        "username",
    }
)


def of_argument(name: str) -> str:
    """What to write in the place of an argument that does not exist, to stand behind its name; empty if unknown."""
    if name in _OF_THE_PAGE_STORE:
        return f"; a page store has it: page_store={{'name': 'disk', '{name}': …}} (page_store.{name} of the command)"
    if name in _OF_THE_CLIENT:
        return (
            f"; options of the under store's client go into target_options={{'{name}': …}} "
            f"(target_options.{name} of the command)"
        )
    return ""


def of_setting(what: str, name: str) -> str:
    """The same for a setting of a component; ``what`` is the component as messages name it."""
    return f"; {_PAGE_SIZE}" if name == "page_size" and what.startswith("page store") else ""
