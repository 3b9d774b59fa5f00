"""What a filesystem is configured with: arguments, options and component settings, checked and converted.

Names are imported when they are first used: most of those who come here want a type or two, not all arguments.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alluxiofs.settings.choices import Choice, parse_choice
    from alluxiofs.settings.components import SettingField, effective_settings, make_settings, settings_fields
    from alluxiofs.settings.secrets import (
        STARS,
        HiddenDict,
        Secret,
        hidden,
        hidden_text,
        is_secret_name,
        without_secrets,
    )
    from alluxiofs.settings.settings import Automatic, Settings
    from alluxiofs.settings.types import Seconds, Size

__all__ = [
    "STARS",
    "Automatic",
    "Choice",
    "HiddenDict",
    "Seconds",
    "Secret",
    "SettingField",
    "Settings",
    "Size",
    "effective_settings",
    "hidden",
    "hidden_text",
    "is_secret_name",
    "make_settings",
    "parse_choice",
    "settings_fields",
    "without_secrets",
]

_MODULES = {
    "choices": ("Choice", "parse_choice"),
    "components": ("SettingField", "effective_settings", "make_settings", "settings_fields"),
    "settings": ("Automatic", "Settings"),
    "types": ("Seconds", "Size"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF.get(name, 'secrets')}"), name)
    globals()[name] = value  # the next look-up does not come here
    return value
