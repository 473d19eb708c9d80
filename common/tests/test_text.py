"""Text shortened, measured and cleared of secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import text
from common.text import REDACTED, redact, shorten, split_utf16, utf16_len

# Words, white space and characters of two units, in all mixtures.
TEXTS = st.text(alphabet=st.sampled_from("ab \n\té😀𝔘"), max_size=200) | st.text(max_size=200)


def without_space(words: str) -> str:
    return "".join(words.split())


@given(TEXTS)
def test_the_length_is_that_of_utf16(words):
    assert utf16_len(words) == len(words.encode("utf-16-le")) // 2


@given(TEXTS, st.integers(2, 60))
def test_each_piece_is_within_the_limit_and_says_something(words, limit):
    for piece in split_utf16(words, limit):
        assert utf16_len(piece) <= limit
        assert piece.strip()


@given(TEXTS, st.integers(2, 60))
def test_nothing_but_white_space_is_lost_by_a_split(words, limit):
    assert without_space("".join(split_utf16(words, limit))) == without_space(words)


@given(TEXTS, st.integers(2, 60))
def test_the_pieces_stand_in_the_text_in_their_order(words, limit):
    at = 0
    for piece in split_utf16(words, limit):
        found = words.find(piece, at)
        assert found >= 0
        assert not words[at:found].strip()
        at = found + len(piece)


@given(TEXTS)
def test_what_fits_is_one_piece_and_unchanged(words):
    assert split_utf16(words, 400) == ([words] if words.strip() else [])


@pytest.mark.parametrize(
    ("words", "pieces"),
    [
        ("", []),
        (" \n ", []),
        ("one two three", ["one two", "three"]),
        ("one two\nthree four", ["one two", "three four"]),
        ("abcdefghijklmno", ["abcdefghij", "klmno"]),
        ("a bcdefghijklmn", ["a bcdefghi", "jklmn"]),
        ("😀😀😀😀😀😀", ["😀😀😀😀😀", "😀"]),
        ("x😀😀😀😀😀", ["x😀😀😀😀", "😀"]),
    ],
)
def test_it_cuts_at_a_line_end_or_a_space_where_that_does_not_waste_half(words, pieces):
    assert split_utf16(words, 10) == pieces


@given(TEXTS, st.integers(1, 60))
def test_a_shortened_text_is_one_line_within_the_limit(words, limit):
    short = shorten(words, limit)
    assert len(short) <= limit
    assert short.splitlines() in ([], [short])


@pytest.mark.parametrize(
    ("words", "short"), [("a  b\n c", "a b c"), ("1234567890", "1234567890"), ("12345678901", "123456789…")]
)
def test_it_shortens_only_what_is_too_long(words, short):
    assert shorten(words, 10) == short


def test_an_ellipsis_does_not_follow_a_space():
    assert shorten("12345678 and more", 10) == "12345678…"


KEYS = {
    "anthropic": "sk-ant-api03-" + "a1B2" * 8,
    "openrouter": "sk-or-v1-" + "0f" * 16,
    "github": "ghp_" + "Ab1" * 12,
    "github fine-grained": "github_pat_" + "Ab1_" * 10,
    "aws": "AKIA" + "ABCD1234EFGH5678",
    "telegram": "1234567890:AA" + "x-Y_" * 8,
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
    "cut private key": "-----BEGIN PRIVATE KEY-----\nMIIE\nabc",
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_what_looks_like_a_key_is_taken_out_wherever_it_stands(key):
    assert redact(f"before {key}") == f"before {REDACTED}"
    assert redact(f'{{"key": "{key}') == f'{{"key": "{REDACTED}'


def test_a_bots_token_is_taken_out_of_an_address():
    address = f"https://api.telegram.org/bot{KEYS['telegram']}/sendMessage"
    assert KEYS["telegram"].split(":")[1] not in redact(address)


@pytest.mark.parametrize("word", ["Bearer", "bearer"])
def test_a_bearer_token_is_taken_out_and_the_word_stays(word):
    assert redact(f"Authorization: {word} abc.DEF-ghi_123/456==") == f"Authorization: {word} {REDACTED}"


@pytest.mark.parametrize(
    "harmless",
    ["", "The task-list of 12:30", "sk-short", "commit 3f2a9c1d8e7b6a5f4e3d2c1b0a99887766554433", "Bearer of news"],
)
def test_ordinary_words_stay(harmless):
    assert redact(harmless) == harmless


@pytest.fixture
def _afresh():
    """The settings' secrets are read once a process."""
    text._known_secrets.cache_clear()
    yield
    text._known_secrets.cache_clear()


@pytest.mark.usefixtures("_afresh")
@pytest.mark.parametrize("name", text.SECRET_SETTINGS)
def test_a_secret_of_the_settings_is_taken_out(settings, name):
    setattr(settings, name, "correct horse battery")
    assert redact("It is correct horse battery.") == f"It is {REDACTED}."


@pytest.mark.usefixtures("_afresh")
def test_of_two_secrets_of_which_one_begins_the_other_nothing_is_left(settings):
    settings.SECRET_KEY, settings.TELEGRAM_WEBHOOK_SECRET = "correct horse", "correct horse battery"
    assert redact("correct horse battery") == REDACTED


@pytest.mark.usefixtures("_afresh")
def test_a_very_short_secret_does_not_blank_out_words(settings):
    settings.TELEGRAM_WEBHOOK_SECRET = "test"
    assert redact("a test") == "a test"
