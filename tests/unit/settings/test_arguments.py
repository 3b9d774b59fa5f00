"""What is wrong with an argument is told without the secrets in it."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from alluxiofs.errors import ConfigurationError, SettingTypeError, UnknownSettingError
from alluxiofs.settings import Settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    "arguments",
    [
        {"target_options": SECRET},
        {"target_options": [SECRET]},
        {"target_options": {3: SECRET}},
        {"target_options": f'{{"secret": "{SECRET}",}}'},
        {"under_stores": SECRET},
        {"under_stores": {"s3://bucket": SECRET}},
        {"under_stores": {"s3://bucket": {"options": SECRET}}},
        {"under_stores": {"s3://bucket": {"options": {3: SECRET}}}},
        {"options": SECRET},
        {"options": {"alluxio.worker.page.store.page.size": f"http://u:{SECRET}@host"}},
        {"etcd_tls": {"key": [SECRET]}},
        {"etcd_tls": {"key": [SECRET], "kee": SECRET}},
        {"etcd_tls": SECRET},
        {"headers": SECRET},
    ],
)
def test_no_error_shows_a_secret(arguments: Dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.parse(**{"target_protocol": "memory", **arguments})
    error: Any = caught.value
    assert next(iter(arguments)).rstrip("s") in str(error)
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__ or error.__context__


def test_what_is_wrong_is_still_told() -> None:
    with pytest.raises(SettingTypeError, match="'target_options', a name in it: 3 is not text"):
        Settings.parse(target_protocol="memory", target_options={3: "x"})
    with pytest.raises(UnknownSettingError, match="unknown 'kee'; did you mean 'key'"):
        Settings.parse(target_protocol="memory", etcd_tls={"kee": "x"})
    with pytest.raises(SettingTypeError, match="'etcd_tls', 'ca': 3 is not text"):
        Settings.parse(target_protocol="memory", etcd_tls={"ca": 3})
