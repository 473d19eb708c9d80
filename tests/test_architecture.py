"""Imports, dotted task names and foreign keys point strictly downwards; apps of one layer do not know each other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

LAYERS = {
    "agent_site": 10,
    "telegram_bridge": 9,
    "web_chat": 9,
    "jobs": 6,
    "threads": 5,
    "agents": 5,
    "llm": 4,
    "tools": 4,
    "budget": 3,
    "approvals": 2,
    "ops": 1,
    "common": 0,
}
ROOT = Path(settings.BASE_DIR)
DOTTED = re.compile(rf"^({'|'.join(LAYERS)})(\.\w+)+$")


def sources(app: str) -> list[Path]:
    return [path for path in (ROOT / app).rglob("*.py") if not {"tests", "migrations"} & set(path.parts)]


def named_modules(path: Path) -> Iterator[str]:
    """What a file imports, and every string in it that reads like a dotted path into an app."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.match(node.value):
            yield node.value


def may_use(app: str, other: str) -> bool:
    return other == app or LAYERS[other] < LAYERS[app]


@pytest.mark.parametrize("app", LAYERS)
def test_it_imports_only_downwards(app):
    wrong = {
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(app)
        for module in named_modules(path)
        if (other := module.split(".")[0]) in LAYERS and not may_use(app, other)
    }
    assert not wrong


def test_every_foreign_key_points_downwards():
    wrong = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and model._meta.app_label in LAYERS
        if (other := field.related_model._meta.app_label) in LAYERS and not may_use(model._meta.app_label, other)
    ]
    assert not wrong


def test_every_app_stands_in_the_layer_table():
    ours = {config.name for config in apps.get_app_configs() if Path(config.path).parent == ROOT}
    assert ours == set(LAYERS)


def test_no_app_reaches_round_another_ones_services():
    """Outside of an app one imports its services, selectors, errors, models and joints; the views stay inside."""
    private = {"admin", "views", "urls"}
    wrong = {
        f"{path.relative_to(ROOT)}: {module}"
        for app in LAYERS
        for path in sources(app)
        for module in named_modules(path)
        if (parts := module.split("."))[0] in LAYERS and parts[0] != app and set(parts[1:2]) & private
        if not (app == "agent_site" and parts[1] == "urls") and parts[0] != "common"
    }
    assert not wrong


def test_only_the_gateway_calls_a_provider():
    users = {
        str(path.relative_to(ROOT))
        for app in LAYERS
        for path in sources(app)
        for module in named_modules(path)
        if module.startswith(("llm.providers", "anthropic"))
    }
    assert {user for user in users if not user.startswith("llm/providers/")} == {"llm/gateway.py"}
