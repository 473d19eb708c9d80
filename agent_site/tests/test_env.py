import re
from pathlib import Path

import pytest

from agent_site import env
from agent_site.env import BadSetting


@pytest.fixture
def put(monkeypatch):
    return lambda value: monkeypatch.setenv("A_SETTING", value)


def test_an_empty_setting_counts_as_not_set(put):
    put("  ")
    assert env.text("A_SETTING", "default") == "default"


def test_a_secret_loses_the_quotes_that_copying_leaves(put):
    put(" 'sk-key' ")
    assert env.secret("A_SETTING") == "sk-key"


def test_it_reads_numbers_amounts_lists_ids_and_addresses(put):
    put("12")
    assert env.whole("A_SETTING", 5) == 12
    assert env.amount("A_SETTING", 5) == 12
    assert env.chat_ids("A_SETTING") == [12]
    put("a, b c")
    assert env.words("A_SETTING") == ["a", "b", "c"]
    put("https://example.org/")
    assert env.url("A_SETTING") == "https://example.org"
    put("Europe/Berlin")
    assert env.time_zone("A_SETTING", "UTC") == "Europe/Berlin"


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        (lambda: env.whole("A_SETTING", 1), "ten", "a whole number"),
        (lambda: env.whole("A_SETTING", 1, least=1), "0", "at least 1"),
        (lambda: env.whole("A_SETTING", 1, most=65535), "70000", "from 0 to 65535"),
        (lambda: env.amount("A_SETTING", 1), "-1", "zero or more"),
        (lambda: env.amount("A_SETTING", 1), "nan", "zero or more"),
        (lambda: env.amount("A_SETTING", 1), "much", "a number"),
        (lambda: env.choice("A_SETTING", "a", ("a", "b")), "c", "one of a, b"),
        (lambda: env.chat_ids("A_SETTING"), "-100123", "nobody master"),
        (lambda: env.url("A_SETTING"), "example.org", "http:// or https://"),
        (lambda: env.time_zone("A_SETTING", "UTC"), "Mars/Base", "such as Europe/Berlin"),
        (lambda: env.time_zone("A_SETTING", "UTC"), "../etc", "such as Europe/Berlin"),
    ],
)
def test_it_refuses_nonsense_in_a_sentence(put, read, value, wanted):
    put(value)
    with pytest.raises(BadSetting, match=wanted) as refused:
        read()
    assert "A_SETTING" in str(refused.value)


def test_a_relative_folder_starts_at_the_project(put):
    put("elsewhere")
    assert env.folder("A_SETTING", Path("var")) == env.BASE_DIR / "elsewhere"


def test_every_setting_is_in_the_example_file_in_the_same_order():
    source = (env.BASE_DIR / "agent_site" / "settings.py").read_text()
    read = [
        name for name in re.findall(r'env\.\w+\((?:DATA_DIR, )?"([A-Z_]+)"', source) if name != "TEST_DATABASE_NAME"
    ]
    example = (env.BASE_DIR / ".env.example").read_text()
    assert read == re.findall(r"^#? ?([A-Z_]+)=", example, re.MULTILINE)
