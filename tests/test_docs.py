"""The documentation can't drift: what it names (files, commands, settings, constraints, tests, apps) exists."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands
from django.urls import Resolver404, resolve

from agent_site import trial
from common.commands import all_commands
from tests.test_architecture import LAYERS
from tools.sandbox import Level

ROOT = Path(settings.BASE_DIR)
GUIDES = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
APP_GUIDES = [ROOT / app / "README.md" for app in LAYERS]
HEADINGS = ["Owns", "Called by", "Calls", "Always true"]
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.-]*\w(/[\w.-]+)+/?|\w+\.(py|md|txt|toml|json)")
# Made when the product runs or is installed, or only meant as a pattern.
NOT_IN_THE_TREE = re.compile(r"(\.?/)?(var|\.venv|somewhere)\b|.*<")
NOT_OURS = {"newbot", "tmp"}
NOT_IN_A_TRIAL = {"DATA_DIR", "PORT", "ADMIN_USERNAME"}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def spans(text: str) -> Iterator[str]:
    """What stands between backticks, and every word of the fenced parts."""
    fenced = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    yield from (word for part in fenced for word in part.split())
    yield from SPAN.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def files_named(text: str) -> set[str]:
    words = {word.strip(".,;:()") for span in spans(text) for word in span.split()}
    return {word for word in words if FILE.fullmatch(word) and not NOT_IN_THE_TREE.match(word)}


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("guide", GUIDES, ids=name_of)
def test_the_files_that_a_guide_names_exist(guide):
    wanted = {word for word in files_named(guide.read_text()) if "/" in word}
    wanted = {word for word in wanted if word.split("/")[0] in {path.name for path in ROOT.iterdir()}}
    assert not {word for word in wanted if not (ROOT / word).exists()}


@pytest.mark.parametrize("guide", APP_GUIDES, ids=name_of)
def test_the_files_that_an_apps_guide_names_exist(guide):
    app = guide.parent
    wanted = {word for word in files_named(guide.read_text()) if word.endswith((".py", ".js", ".json", ".md"))}
    assert not {word for word in wanted if not ((ROOT / word).exists() or any(app.rglob(word)))}


@pytest.mark.parametrize("guide", [*GUIDES, *APP_GUIDES], ids=name_of)
def test_links_lead_somewhere(guide):
    for target in re.findall(r"\]\(([^)\s]+)\)", guide.read_text()):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        path = (guide.parent / file) if file else guide
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), target


@pytest.mark.parametrize("guide", [*GUIDES, *APP_GUIDES], ids=name_of)
def test_the_commands_that_are_named_exist(guide):
    named = set(re.findall(r"manage\.py ([a-z_]+)", " ".join(spans(guide.read_text()))))
    assert not named - set(get_commands())


@pytest.mark.parametrize("guide", GUIDES, ids=name_of)
def test_the_words_of_run_exist(guide):
    words = set(re.findall(r"\./run ([a-z]+)", "\n".join(SPAN.findall(guide.read_text()))))
    assert not words - {"install", "start", "stop", "restart", "status"}


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "docs/operations.md"])
def test_the_chat_commands_and_addresses_that_are_named_exist(name):
    offered = {each.name for each in all_commands()} | NOT_OURS
    for word in re.findall(r"`/([a-z]+)(?: \d+)?`", (ROOT / name).read_text()):
        if word not in offered:
            try:
                resolve(f"/{word}")
            except Resolver404:
                pytest.fail(f"There is neither a command nor an address /{word}.")


def settings_of_the_example() -> list[str]:
    return re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md", "docs/glossary.md", "ARCHITECTURE.md"])
def test_the_settings_that_are_named_stand_in_the_example(name):
    named = {word for span in spans((ROOT / name).read_text()) for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", span)}
    assert not named - set(settings_of_the_example())


def test_each_setting_of_the_example_says_what_it_is():
    parts = (ROOT / ".env.example").read_text().split("# ---")[1:]
    assert all(re.search(r"^# [A-Z_]+=", part, re.MULTILINE) for part in parts)
    assert len(set(settings_of_the_example())) == len(settings_of_the_example())


def test_no_setting_of_the_owner_reaches_a_trial():
    assert set(settings_of_the_example()) - NOT_IN_A_TRIAL == set(trial.BLANK)


def test_every_app_has_a_guide_with_the_four_headings():
    for guide in APP_GUIDES:
        text = guide.read_text()
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS, guide
        assert 15 <= len(text.splitlines()) <= 25, guide


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of the table whose header begins with `first`."""
    table = re.search(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def test_the_layer_table_is_that_of_the_code():
    told = {app.strip("`"): (int(layer), tables) for layer, app, tables, _ in rows(ARCHITECTURE, "layer")}
    assert {app: layer for app, (layer, _) in told.items()} == LAYERS
    for app, (_, tables) in told.items():
        models = {model.__name__ for model in apps.get_app_config(app).get_models()}
        assert models == set(re.findall(r"\w+", tables)), app


ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def names_of_the_database() -> set[str]:
    return {
        each.name
        for model in apps.get_models()
        if model._meta.app_label in LAYERS
        for each in (*model._meta.constraints, *model._meta.indexes)
    }


def names_of_the_tests() -> set[str]:
    folders = [ROOT / "tests", *(ROOT / app for app in LAYERS)]
    files = [path for folder in folders for path in folder.rglob("test_*.py")]
    return {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text())}


def test_what_holds_an_invariant_exists():
    held = names_of_the_database() | names_of_the_tests()
    for invariant, holders in rows(ARCHITECTURE, "invariant"):
        cited = SPAN.findall(holders)
        assert cited, f"nothing holds: {invariant}"
        assert not set(cited) - held, invariant


def test_the_sandbox_levels_are_those_of_the_code():
    assert [row[0] for row in rows(ARCHITECTURE, "level")] == [level.value for level in Level]


def test_a_word_has_one_meaning():
    terms = re.findall(r"^- \*\*(.+?)\*\*:", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(terms) > 50
    assert [term for term, count in Counter(terms).items() if count > 1] == []


def test_every_term_that_the_glossary_refers_to_has_an_entry():
    text = (ROOT / "docs" / "glossary.md").read_text()
    terms = set(re.findall(r"^- \*\*(.+?)\*\*:", text, re.MULTILINE))
    wanted = set(re.findall(r"(?<!\*)\*([\w ]+)\*(?!\*)", text)) - {"Words in italics", "italics"}
    singular = {re.sub(r"ies$", "y", re.sub(r"(?<!ie)s$", "", word)) for word in wanted}
    assert not {word for word in singular if word not in terms} - LEVELS_AND_LANES


LEVELS_AND_LANES = {"talk", "work", "read", "net", "host"}


def test_the_readme_holds_a_transcript_of_the_demo():
    text = (ROOT / "README.md").read_text()
    transcript = text.split("<!-- demo transcript: begin -->")[1].split("<!-- demo transcript: end -->")[0]
    assert "The owner reads:" in transcript
    assert "Done in" in transcript


def test_decisions_are_numbered_without_a_gap():
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        assert re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE) == ["Context", "Decision", "Consequence"]
