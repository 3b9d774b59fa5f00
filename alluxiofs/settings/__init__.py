"""What a filesystem is configured with: arguments, options and component settings, checked and converted."""

from __future__ import annotations

from alluxiofs.settings.choices import Choice, parse_choice
from alluxiofs.settings.components import SettingField, effective_settings, make_settings, settings_fields
from alluxiofs.settings.secrets import STARS, HiddenDict, Secret, hidden, hidden_text, is_secret_name, without_secrets
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
