"""The pages of what is not ours: django-q2's tables, to look at only, and Django's users and groups."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_q import admin as q2
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from common.admin import CappedPaginator, label_known

for model in (Failure, OrmQ, Schedule, Success, User, Group):
    admin.site.unregister(model)
label_known("user", User)


class QueueAdmin(ModelAdmin):  # type: ignore[misc]
    """A schedule names any dotted path, and a package any function: none of it may be written here."""

    actions = ()
    show_full_result_count = False
    paginator = CappedPaginator
    list_fullwidth = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(OrmQ)
class OrmQAdmin(QueueAdmin, q2.QueueAdmin):  # type: ignore[misc]
    """What waits for a worker. The payload is signed and is shown as the task that it names."""

    list_display = ("id", "key", "name", "func", "lock")
    fields = ("id", "key", "name", "func", "lock")
    readonly_fields = fields
    list_filter = ("key",)


@admin.register(Schedule)
class ScheduleAdmin(QueueAdmin, q2.ScheduleAdmin):  # type: ignore[misc]
    list_filter = ()


@admin.register(Success)
class SuccessAdmin(QueueAdmin, q2.TaskAdmin):  # type: ignore[misc]
    list_filter = ()


@admin.register(Failure)
class FailureAdmin(QueueAdmin, q2.FailAdmin):  # type: ignore[misc]
    list_filter = ()


@admin.register(User)
class AccountAdmin(ModelAdmin, UserAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(ModelAdmin, GroupAdmin):  # type: ignore[misc]
    """Rights by group: "change" lets its members act, "view" lets them look."""
