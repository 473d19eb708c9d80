"""Every page of the admin opens with a row present, and none of them changes anything by being looked at."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule, Success

from approvals.models import Approval
from budget.models import LedgerEntry, Reservation
from jobs.models import Job, Question
from llm.scripted import call_tool, say
from ops import audit
from ops.connections import connection_failed
from ops.heartbeats import beat
from ops.models import Outage, Secret, Switch
from ops.notices import notice
from ops.switches import switch_set
from telegram_bridge.models import TelegramUpdate
from tests.cast import classified
from threads.models import Artifact, Delivery, Message, MessageRevision
from threads.people import pairing_ask
from tools.models import McpServer, OutsideFile, Snapshot, TrashItem

pytestmark = pytest.mark.django_db
# unfold makes its site the default one when it is ready, so the registry is complete by now.
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
EVIL = "<script>alert('evil')</script>"


@pytest.fixture
def busy_place(model, workspace, brain, owner, stranger, hear, work, press) -> Job:
    """A row of everything, with hostile words wherever people and models have a say."""
    brain.classification = classified(summary=EVIL, plan=[EVIL], commands=[f'echo "{EVIL}"'], intent="command")
    brain.turns = [call_tool("shell", {"command": f'echo "{EVIL}"'}), say(EVIL)]
    job = hear(owner, f"run it {EVIL}").job
    work()
    press()
    work()
    hear(owner, f"and again {EVIL}")
    work()
    others(job, stranger)
    return Job.objects.get(pk=job.pk)


def others(job: Job, stranger: Model) -> None:
    """What the walk of a job leaves no row of."""
    message = Message.objects.filter(role="user").first()
    MessageRevision.objects.create(message=message, text=EVIL)
    Artifact.objects.create(message=message, kind="document", name=EVIL, error=EVIL)
    Delivery.objects.create(thread=job.thread, text=EVIL, state=Delivery.State.FAILED, error=EVIL)
    TelegramUpdate.objects.create(bot_id=1, update_id=2, kind="message", payload={"text": EVIL}, error=EVIL)
    pairing_ask(person=stranger, first_words=EVIL)
    notice(kind="test", text=EVIL)
    beat("cluster.talk")
    connection_failed("Telegram", EVIL)
    TrashItem.objects.create(kind="deleted", path=EVIL)
    OutsideFile.objects.create(path=EVIL, source=EVIL)
    Snapshot.objects.create(command=EVIL, level="workspace", state="kept")
    Secret.objects.create(name="evil", ciphertext=b"x", hosts=[EVIL], created_by=EVIL[:60])
    Outage.objects.create(began_at=timezone.now(), ended_at=timezone.now())
    audit.record(actor="user:1", action="looked", subject=job.ref)
    server = McpServer.objects.create(name="evil", command=EVIL, last_error=EVIL, version=EVIL)
    server.tools.create(name=EVIL, lent_name="evil__tool", description=EVIL, problem=EVIL, last_seen=timezone.now())
    server.questions.create(run_ref="run:1", call_id="1", number=1, message=EVIL, form={"title": EVIL})
    switch_set(name=Switch.Name.PAUSE, on=True, actor="user:1", reason=EVIL)
    Question.objects.create(job=job, approval=Approval.objects.earliest("pk"), message=message)
    task = {"func": "jobs.tasks.job_begin", "started": timezone.now(), "stopped": timezone.now()}
    Success.objects.create(id="a" * 32, name="good", success=True, **task)
    Failure.objects.create(id="b" * 32, name="bad", success=False, result=EVIL, **task)
    Schedule.objects.create(name="sweep", func="jobs.tasks.sweep")
    OrmQ.objects.create(key="talk", payload="not a package of ours", lock=timezone.now())
    Group.objects.create(name="operators")


@pytest.mark.parametrize("model_class", MODELS, ids=lambda model: model._meta.label)
def test_its_list_and_its_page_open(model_class, busy_place, superuser, client):
    client.force_login(superuser)
    name = f"admin:{model_class._meta.app_label}_{model_class._meta.model_name}"
    row = model_class._default_manager.order_by("-pk").first()
    assert row is not None, "the cast has no such row"
    pages = [
        reverse(f"{name}_changelist"),
        f"{reverse(f'{name}_changelist')}?q=12",
        reverse(f"{name}_change", args=[row.pk]),
    ]
    if admin.site._registry[model_class].has_add_permission(client.get(pages[0]).wsgi_request):
        pages.append(reverse(f"{name}_add"))
    for page in pages:
        response = client.get(page)
        assert response.status_code == 200, page
        assert EVIL not in response.content.decode()


def test_every_model_of_ours_has_a_page():
    from django.apps import apps
    from django.conf import settings

    ours = {model for model in apps.get_models() if (settings.BASE_DIR / model._meta.app_label).is_dir()}
    without = {model._meta.label for model in ours - set(MODELS)} - {"threads.SendBucket"}
    assert not without


def dialogs() -> list[tuple[str, bool]]:
    """The URL names of everything unfold calls an action, and whether it is about a row."""
    found = []
    for page in admin.site._registry.values():
        found += [(f"admin:{each.action_name}", True) for each in page._get_base_actions_detail()]
        found += [(f"admin:{each.action_name}", False) for each in page._get_base_actions_list()]
        assert not page.actions_row
        assert not page.actions_submit_line
    return found


def test_no_action_runs_without_a_dialog():
    for page in admin.site._registry.values():
        for each in [*page._get_base_actions_detail(), *page._get_base_actions_list()]:
            assert each.dialog, f"{each.action_name} would run on GET"
            assert list(each.method.allowed_permissions) == ["act"]


@pytest.mark.parametrize(("name", "about_a_row"), dialogs())
def test_looking_at_a_dialog_changes_nothing(name, about_a_row, busy_place, superuser, client):
    client.force_login(superuser)
    before = snapshot()
    args = [oldest_row(name).pk] if about_a_row else []
    for ask in (client.get, client.head):
        assert ask(reverse(name, args=args)).status_code == 200
    assert client.post(reverse(name, args=args), {}).status_code == 200, "an empty POST shows the dialog again"
    assert snapshot() == before


def oldest_row(name: str) -> Model:
    for model_class in MODELS:
        if name.startswith(f"admin:{model_class._meta.app_label}_{model_class._meta.model_name}_"):
            return model_class._default_manager.order_by("pk").first()
    raise AssertionError(name)


def snapshot() -> list[object]:
    """Every row of every model of ours."""
    return [
        list(model_class._default_manager.order_by("pk").values()) for model_class in MODELS if model_class is not OrmQ
    ]


def test_an_observer_may_look_but_no_button_is_offered_or_works(busy_place, client, django_user_model):
    from django.contrib.auth.models import Permission

    observer = django_user_model.objects.create_user("observer", is_staff=True)
    observer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(observer)
    before = snapshot()
    for name, about_a_row in dialogs():
        row = [oldest_row(name).pk] if about_a_row else []
        assert client.get(reverse(name, args=row)).status_code == 403
        assert client.post(reverse(name, args=row), {"_form_submitted": "on"}).status_code == 403
    page = client.get(reverse("admin:jobs_job_change", args=[busy_place.pk]))
    assert page.status_code == 200
    assert "/approve/" not in page.content.decode()
    assert snapshot() == before


def test_staff_without_rights_see_none_of_it(busy_place, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody", is_staff=True))
    assert client.get(reverse("admin:jobs_job_changelist")).status_code == 403
    front = client.get(reverse("admin:index")).content.decode()
    assert "Waiting for your answer" not in front
    assert "/admin/jobs/" not in front


def test_history_can_be_neither_written_nor_deleted(busy_place, superuser, client):
    client.force_login(superuser)
    for model_class in (Job, Message, LedgerEntry, Reservation, Schedule, OrmQ, Success, Failure, TelegramUpdate):
        name = f"admin:{model_class._meta.app_label}_{model_class._meta.model_name}"
        row = model_class._default_manager.first()
        assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
        assert client.get(reverse(f"{name}_add")).status_code == 403
