"""What :class:`~alluxiofs.filesystem.AlluxioFileSystem` can do, one module a group of operations.

Each module has a class that the filesystem inherits from; all of them stand on :mod:`alluxiofs.operations.base`.
"""
