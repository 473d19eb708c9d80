from datetime import timedelta

from django.utils import timezone

from threads.models import Delivery
from threads.services import say
from web_chat.timeline import PAGE, items_since, page_before


def test_pages_hold_everything_once_and_in_order(thread, talk):
    talk(PAGE + 7)
    pages, cursor = [], ""
    while True:
        page = page_before(thread_id=thread.pk, cursor=cursor)
        pages.insert(0, page.items)
        cursor = page.earlier
        if not cursor:
            break
    texts = [item.text for page in pages for item in page]
    assert texts == [f"{word} {number}" for number in range(PAGE + 7) for word in ("question", "answer")]
    assert [len(page) for page in pages] == [14, PAGE, PAGE]


def test_messages_are_not_lost_behind_a_page_of_answers_alone(thread, talk):
    talk(2)
    for number in range(PAGE):
        say(thread=thread, text=f"news {number}")
    page = page_before(thread_id=thread.pk)
    assert len(page.items) == PAGE
    assert [item.text for item in page_before(thread_id=thread.pk, cursor=page.earlier).items] == [
        "question 0",
        "answer 0",
        "question 1",
        "answer 1",
    ]


def test_a_broken_cursor_reads_the_last_page(thread, talk):
    talk(1)
    for cursor in ("nonsense", "1", "1-2-3", "-", "²-1", "9" * 30):
        assert len(page_before(thread_id=thread.pk, cursor=cursor).items) == 2


def test_an_edit_shows_as_the_latest_text_of_what_it_edits(thread):
    (sent,) = say(thread=thread, text="first")
    for text in ("second", "third"):
        Delivery.objects.create(thread=thread, kind=Delivery.Kind.EDIT, edits=sent, text=text)
    assert [item.text for item in page_before(thread_id=thread.pk).items] == ["third"]


def test_news_are_what_was_said_or_edited_since(thread):
    old, edited = (say(thread=thread, text=text)[0] for text in ("old", "edited"))
    Delivery.objects.update(created_at=timezone.now() - timedelta(hours=1))
    Delivery.objects.create(thread=thread, kind=Delivery.Kind.EDIT, edits=edited, text="edited!")
    say(thread=thread, text="new")
    assert [item.text for item in items_since(thread_id=thread.pk, moment=timezone.now())] == ["edited!", "new"]
    assert old.text == "old"


def test_too_much_news_asks_for_a_fresh_page(thread, talk):
    talk(200)
    assert items_since(thread_id=thread.pk, moment=timezone.now()) is None
