"""s3fs's options, as obstore has them."""

from __future__ import annotations

import importlib.util
import os
from typing import Any, Dict, Mapping, Optional, Tuple

from alluxiofs.errors import ConfigurationError, MissingExtraError
from alluxiofs.plugins._obstore.credentials import BotocoreCredentials, Kept, Static
from alluxiofs.plugins._obstore.options import Configuration, Options, http_options, trusted

__all__ = ["s3_configuration"]

_CANNOT = (
    "asynchronous",
    "batch_size",
    "fixed_upload_size",
    "loop",
    "max_concurrency",
    "session",
    "version_aware",
)
_CLIENT_CANNOT = ("api_version", "config", "use_ssl")
_CONFIG_CANNOT = ("client_cert", "parameter_validation", "proxies_config", "retries", "tcp_keepalive")
_ENCRYPTION = {
    "BucketKeyEnabled": "sse_bucket_key_enabled",
    "SSEKMSKeyId": "sse_kms_key_id",
    "ServerSideEncryption": "server_side_encryption",
}
_FIRST_REGION = "us-east-1"


def s3_configuration(given: Mapping[str, Any]) -> Configuration:
    """How to make stores of S3.

    Parameters
    ----------
    given:
        Options of ``s3fs.S3FileSystem``, and ``credential_provider``: what obstore calls so, a callable that gives
        ``access_key_id``, ``secret_access_key``, ``token`` and ``expires_at``.

    Raises
    ------
    ConfigurationError
        For an option or a value that cannot be had here.
    """
    options = Options(given)
    client, config = options.inner("client_kwargs"), options.inner("config_kwargs")
    endpoint = _endpoint(options.take("endpoint_url") or client.take("endpoint_url"))
    http = http_options(endpoint)
    verify = client.take("verify")
    http.update(trusted(client, "verify", os.environ.get("AWS_CA_BUNDLE") if verify is None else verify))
    http.update(_tuning(config))
    store: Dict[str, Any] = {
        "conditional_put": "etag",
        "region": _region(client.take("region_name") or config.take("region_name")),
        "request_payer": bool(options.take("requester_pays")),
        "skip_signature": bool(options.take("anon")),
    }
    signature = config.take("signature_version")
    if signature not in (None, "s3v4"):
        raise config.refuse("signature_version", f"{signature!r}: requests are signed with 's3v4'")
    style = config.inner("s3")
    in_host = _in_host(style, endpoint)
    style.end(("payload_signing_enabled", "use_accelerate_endpoint", "use_dualstack_endpoint"), frozenset())
    if options.take("use_ssl") is False and not endpoint:
        raise options.refuse("use_ssl", "name the address with endpoint_url='http://…' instead")
    store.update(_additional(options))
    credentials, secrets = (None, ()) if store["skip_signature"] else _credentials(options, client)
    if store["skip_signature"]:
        for name in ("key", "username", "secret", "password", "token", "profile", "credential_provider"):
            options.take(name)
    client.end(_CLIENT_CANNOT, frozenset())
    config.end(_CONFIG_CANNOT, frozenset())
    options.end(_CANNOT)
    return Configuration(store, http, credentials, endpoint, in_host, secrets)


def _endpoint(named: Optional[str]) -> str:
    found = named or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return str(found).rstrip("/")


def _region(named: Optional[str]) -> str:
    return str(named or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _FIRST_REGION)


def _in_host(style: Options, endpoint: str) -> bool:
    """Whether buckets are named in the host, decided as botocore does."""
    wanted = style.take("addressing_style") or "auto"
    if wanted not in ("auto", "path", "virtual"):
        raise style.refuse("addressing_style", f"{wanted!r} is none of 'auto', 'path', 'virtual'")
    return bool(wanted == "virtual" or (wanted == "auto" and not endpoint))


def _tuning(config: Options) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for name in ("connect_timeout", "read_timeout"):
        seconds = config.take(name)
        if seconds is not None:
            found[name] = f"{max(1, round(float(seconds) * 1000))}ms"
    pool = config.take("max_pool_connections")
    if pool is not None:
        found["pool_max_idle_per_host"] = str(int(pool))
    agent = config.take("user_agent")
    if agent is not None:
        found["user_agent"] = str(agent)
    proxies = config.inner("proxies")
    addresses = {address for address in (proxies.take("https"), proxies.take("http")) if address}
    proxies.end((), frozenset())
    if len(addresses) > 1:
        raise proxies.refuse("http", "obstore has one proxy for both; name the same, or use HTTP_PROXY and HTTPS_PROXY")
    if addresses:
        found["proxy_url"] = str(addresses.pop())
    return found


def _additional(options: Options) -> Dict[str, Any]:
    asked = options.inner("s3_additional_kwargs")
    found = {ours: value for theirs, ours in _ENCRYPTION.items() for value in [asked.take(theirs)] if value is not None}
    asked.end((), frozenset())
    return found


def _credentials(options: Options, client: Options) -> Tuple[Any, Tuple[str, ...]]:
    """Who is asked for credentials, and which of them are known as text.

    obstore would complete credentials that were given with what the environment has (a token of others), and knows no
    profiles: so it is asked for none if they were given, or if botocore is there to find them.
    """
    key = options.take("key", "username") or client.take("aws_access_key_id")
    secret = options.take("secret", "password") or client.take("aws_secret_access_key")
    token = options.take("token") or client.take("aws_session_token")
    profile, provider = options.take("profile"), options.take("credential_provider")
    if provider is not None:
        if not callable(provider):
            raise options.refuse("credential_provider", "a callable that gives credentials")
        return Kept(provider), ()
    if key or secret:
        if not (key and secret):
            raise ConfigurationError("target_options: 'key' and 'secret' go together")
        said = Static(access_key_id=str(key), secret_access_key=str(secret), token=token)
        return said, tuple(str(one) for one in (secret, token) if one)
    if token:
        raise options.refuse("token", "it goes with 'key' and 'secret'")
    if importlib.util.find_spec("botocore") is not None:
        return BotocoreCredentials(profile), ()
    if profile is not None:
        raise MissingExtraError("target_options: profile: profiles are read by botocore: pip install 'alluxiofs[s3]'")
    found = (os.environ.get(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))  # by the library itself
    return None, tuple(secret for secret in found if secret)
