"""Settings and plugins become a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alluxiofs.gateway import Gateway
    from alluxiofs.settings import Settings

__all__ = ["gateway_for"]


def gateway_for(settings: Settings) -> Gateway:
    """The gateway for these settings: the same one for equal settings, as long as somebody uses it.

    Raises
    ------
    ConfigurationError
        For a component that does not exist or cannot be used, for its settings, or for arguments that do not fit
        together.
    """
    # Late: whoever imports the filesystem's class, as fsspec does to look at it, does not need the plugins' machinery.
    from alluxiofs.assembly.assembling import gateway_for as assembled

    return assembled(settings)
