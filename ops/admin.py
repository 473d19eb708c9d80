"""Operations in the admin: processes, switches, notices, the audit trail."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from common.admin import CockpitAdmin, link_column, page_of, state_column
from common.dialogs import Dialog, LineWidget, PasswordWidget, act, actor_of, dialog
from common.panels import Panel, ago, badge, panels_of
from ops import secrets
from ops.models import AuditEvent, Connection, Heartbeat, Notice, Outage, Secret, Switch
from ops.switches import is_on, switch_set


class ReasonDialog(Dialog):
    reason = forms.CharField(max_length=200, required=False, widget=LineWidget, help_text="Kept in the audit trail.")


@page_of(Switch, label="switch")
class SwitchAdmin(CockpitAdmin):
    list_display = ("name", "on", "reason", link_column("changed_by"), "changed_at")
    actions_list = ("freeze_on", "freeze_off", "pause_on", "pause_off")

    def get_actions_list(self, request: HttpRequest) -> list[Any]:
        """Only the direction that a switch can be turned in now."""
        offered = {f"{name}_{'off' if is_on(name) else 'on'}" for name in Switch.Name.values}
        return [each for each in super().get_actions_list(request) if each.method.original_function_name in offered]

    @dialog(
        "Freeze",
        submit="Freeze everything",
        description="No model and no tool is called until you end it; running work stops within seconds.",
        form=ReasonDialog,
        icon="ac_unit",
        danger=True,
    )
    def freeze_on(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return _turn(request, form, name=Switch.Name.FREEZE, on=True)

    @dialog("End the freeze", submit="End the freeze", form=ReasonDialog, icon="play_arrow")
    def freeze_off(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return _turn(request, form, name=Switch.Name.FREEZE, on=False)

    @dialog(
        "Pause proactive work",
        submit="Pause",
        description="Nothing is begun without being asked; your own requests go on.",
        form=ReasonDialog,
        icon="pause",
    )
    def pause_on(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return _turn(request, form, name=Switch.Name.PAUSE, on=True)

    @dialog("End the pause", submit="End the pause", form=ReasonDialog, icon="play_arrow")
    def pause_off(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return _turn(request, form, name=Switch.Name.PAUSE, on=False)


def _turn(request: HttpRequest, form: Dialog, *, name: str, on: bool) -> HttpResponse:
    reason = form.cleaned_data["reason"]
    return act(
        request,
        lambda: switch_set(name=name, on=on, actor=actor_of(request), reason=reason),
        done=f"{Switch.Name(name).value.capitalize()} is {'on' if on else 'off'}.",
    )


@page_of(Heartbeat, label="process")
class HeartbeatAdmin(CockpitAdmin):
    empty_text = "No process has reported yet. Start them with ./run."
    list_display = ("name", "host", "pid", "alive", "progressed", "started_at")

    @admin.display(description="alive", ordering="alive_at")
    def alive(self, row: Heartbeat) -> str:
        return ago(row.alive_at)

    @admin.display(description="got something done", ordering="progressed_at")
    def progressed(self, row: Heartbeat) -> str:
        return ago(row.progressed_at)


@page_of(Connection, label="connection")
class ConnectionAdmin(CockpitAdmin):
    empty_text = "Nothing outside has been called yet: Telegram and the model appear here with their first call."
    list_display = ("name", "host", state_column(), "since", "answered", "failures", "last_error", "next_try_at")
    list_filter = ("state",)

    @admin.display(description="last answer", ordering="last_ok_at")
    def answered(self, row: Connection) -> str:
        return ago(row.last_ok_at)


@page_of(Outage, label="outage")
class OutageAdmin(CockpitAdmin):
    empty_text = "The system was never down for more than a minute."
    list_display = ("id", "began_at", "ended_at", "lasted", "digested_at")

    @admin.display(description="lasted")
    def lasted(self, row: Outage) -> str:
        return str(row.ended_at - row.began_at).partition(".")[0]


@page_of(Notice, label="notice")
class NoticeAdmin(CockpitAdmin):
    empty_text = "Nothing was worth a notice yet."
    list_display = ("id", "shown_severity", "kind", "text", "created_at", "carried_at")
    list_filter = ("severity",)
    search_fields = ("text", "=kind", "=key")

    @admin.display(description="severity", ordering="severity")
    def shown_severity(self, row: Notice) -> str:
        return badge(row.severity, row.get_severity_display())


@page_of(AuditEvent, label="audit")
class AuditEventAdmin(CockpitAdmin):
    list_display = ("id", "at", link_column("actor"), "action", link_column("subject"))
    search_fields = ("=subject", "=actor", "action")


class SecretDialog(Dialog):
    name = forms.CharField(max_length=60, widget=LineWidget, help_text="Calls name it: {{secret:name}}.")
    value = forms.CharField(max_length=10_000, widget=PasswordWidget, help_text="It is never shown again.")
    hosts = forms.CharField(
        required=False,
        widget=LineWidget,
        help_text="The hosts that it may be sent to, with spaces between them; .example.com stands for all below it.",
    )

    def clean(self) -> dict[str, Any]:
        """What is wrong is said here, where it can be mended."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            found = secrets.complaints(name=given["name"], value=given["value"], hosts=given["hosts"].split())
            for field, problem in found.items():
                self.add_error(field, problem)
        return given


@page_of(Secret, label="secret")
class SecretAdmin(CockpitAdmin):
    """Names and hosts; a value goes in and never comes out."""

    empty_text = "Store a key or a password here, and calls can name it without knowing it: {{secret:name}}."
    list_display = ("name", "shown_hosts", link_column("created_by"), "changed_at", "last_used_at", "uses")
    owner_only = True
    actions_list = ("secret_store", "key_renew")
    actions_detail = ("secret_delete",)

    def facts(self) -> list[Any]:
        times = map(self._column, ("changed_at", "last_used_at"))
        return ["name", "shown_hosts", link_column("created_by"), *times, "uses"]

    def panels(self, request: HttpRequest, row: Secret) -> list[Panel]:
        return panels_of(request, f"{self.label}:{row.pk}")

    @admin.display(description="hosts")
    def shown_hosts(self, row: Secret) -> str:
        return ", ".join(row.hosts) or "none: for programs only"

    @dialog(
        "Store a secret",
        submit="Store",
        description="A secret of the same name is replaced.",
        form=SecretDialog,
        icon="key",
    )
    def secret_store(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        given = form.cleaned_data
        return act(
            request,
            lambda: secrets.secret_set(
                name=given["name"], value=given["value"], hosts=given["hosts"].split(), actor=actor_of(request)
            ),
            done=f"The secret {given['name']} is stored.",
        )

    @dialog(
        "Renew the key",
        submit="Renew",
        description="All secrets are encrypted anew with a new key; the old one is forgotten, also for old backups.",
        icon="autorenew",
    )
    def key_renew(self, request: HttpRequest, form: Dialog) -> HttpResponse:
        return act(request, lambda: secrets.key_renew(actor=actor_of(request)), done="The key is renewed.")

    @dialog("Delete", submit="Delete", description="Calls that name it will fail.", icon="delete", danger=True)
    def secret_delete(self, request: HttpRequest, form: Dialog, object_id: str) -> HttpResponse:
        secret = self.get_queryset(request).get(pk=object_id)
        return act(
            request,
            lambda: secrets.secret_delete(secret, actor=actor_of(request)),
            done=f"The secret {secret.name} is deleted.",
        )
