"""What users of other filesystems look for here, and where it is."""

from __future__ import annotations

__all__ = ["of_argument_of_1", "of_attribute", "of_open_argument", "of_s3"]

_INFO = "fs.info(path) has what the store tells of a file, its ETag too"
_CLIENT = "it is the under store's own: ask its client, fsspec.filesystem(target_protocol, **target_options)"
_COUNTS = "fs.describe()['counters'] counts what failed, and telemetry by method and state"
_OF_1 = {
    "alluxio": "alluxiofs.AlluxioClient, made with the same arguments, has load jobs",
    "download_batch_data": "fs.cat(paths) reads several files",
    "download_data": "fs.cat_file(path) and fs.open(path) read a file",
    "error_metrics": _COUNTS,
    "get_error_metrics": _COUNTS,
    "load_file_from_ufs_to_alluxio": "alluxiofs.AlluxioClient(…).load(path) has the cluster load it",
    "read": "fs.cat_file(path) reads a file",
    "upload_data": "fs.pipe_file(path, data) writes a file",
    "write": "fs.pipe_file(path, value) writes a file",
}
"""Of alluxiofs 1."""
_ATTRIBUTES = {
    **_OF_1,
    "url": "fs.sign(path, expiration=seconds) gives a URL that anyone can read",
    "metadata": f"{_INFO}; for the rest, {_CLIENT}",
    "getxattr": f"{_INFO}; for the rest, {_CLIENT}",
    **dict.fromkeys(
        (
            *("chmod", "clear_multipart_uploads", "get_tags", "is_bucket_versioned", "list_multipart_uploads"),
            *("make_bucket_versioned", "merge", "object_version_info", "put_tags", "s3", "setxattr"),
        ),
        _CLIENT,
    ),
}
_OPEN = {
    "acl": "a store's client takes it: target_options={'s3_additional_kwargs': {'ACL': …}} for S3",
    "fill_cache": "cache_options={'readahead': None} fetches what is asked for and no more",
    "version_id": "the version that is there is read; for an old one, " + _CLIENT,
}
_NOTHING = "there is nothing to say in its place"
_ARGUMENTS_OF_1 = {
    "bufferSize": _NOTHING,
    "delete_mount_point": _NOTHING,
    "recursiveAlias": "recursive is all there is",
    "recursive_alias": "recursive is all there is",
    "remove_unchecked_option_char": _NOTHING,
    "sync_parent_next_time": "use sync_parent",
    "thread": "use threads",
}
_ASYNC = (
    "this filesystem is not asynchronous, with asynchronous=True either: "
    "fsspec.implementations.asyn_wrapper.AsyncFileSystemWrapper(fs, asynchronous=True) has it"
)


def of_attribute(name: str) -> str:
    """What to use in the place of an attribute that others have; empty if unknown."""
    if name[:1] == "_" and name[:2] != "__":
        from fsspec.asyn import async_methods

        return _ASYNC if name in async_methods else ""
    return _ATTRIBUTES.get(name, "")


def of_argument_of_1(name: str) -> str:
    """What to use in the place of an argument of a call that alluxiofs 1 had; empty if it had none of this name."""
    return _ARGUMENTS_OF_1.get(name, "")


def of_s3(name: str) -> str:
    """Where a parameter of S3's own requests goes, which s3fs takes with any call; empty if it looks like none."""
    if not name[:1].isupper():
        return ""
    return f"parameters of S3's requests go into target_options={{'s3_additional_kwargs': {{{name!r}: …}}}}"


def of_open_argument(name: str) -> str:
    """Where an argument goes that other filesystems' ``open`` has; empty if unknown."""
    return _OPEN.get(name) or of_s3(name)
