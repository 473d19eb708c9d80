"""Finds what apps offer by file name, as Django finds `admin.py`: `tasks`, `tools`, `chat_commands`, `health`, …"""

from django.utils.module_loading import autodiscover_modules


def load(module_name: str) -> None:
    """Imports `<app>.<module_name>` of each installed app that has one. An error inside such a module is not hidden."""
    autodiscover_modules(module_name)
