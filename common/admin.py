"""What every admin page is made of: rows that only services change, and links made of labels."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.admin import ModelAdmin

from common.dialogs import actor_of
from common.panels import Block, Column, Panel, badge, columns_of, data, moment, panels_of, text

Function = TypeVar("Function", bound=Callable[..., Any])
AdminClass = TypeVar("AdminClass", bound=type["CockpitAdmin"])
COUNTED = 10_000
LABEL_FIELDS = ("job_ref", "thread_ref", "run_ref", "person_ref", "actor", "subject", "decided_by", "changed_by")
LONG_FIELDS = (models.TextField, models.JSONField)

_pages: dict[str, str] = {}


def page_of(model: type[Model], *, label: str) -> Callable[[AdminClass], AdminClass]:
    """Decorator: the admin of `model`; labels such as `job:12` lead to its pages from then on."""

    def register(page: AdminClass) -> AdminClass:
        page.label = label
        _pages[label] = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        admin.site.register(model, page)
        return page

    return register


def label_known(label: str, model: type[Model]) -> None:
    """Labels of this kind lead to a model whose admin is not one of ours."""
    _pages[label] = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"


def label_link(ref: str) -> str:
    """The link to the row that a label names; the escaped text itself where no page is known for it."""
    kind, _, pk = ref.partition(":")
    if kind in _pages and pk.isdecimal():
        return format_html('<a class="sa-link" href="{}">{}</a>', reverse(_pages[kind], args=[pk]), f"{kind} {pk}")
    return format_html("{}", ref or "-")


def row_link(row: Model | None, shown: str = "") -> str:
    """The link to a row's own page."""
    if row is None:
        return "-"
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="sa-link" href="{}">{}</a>', url, shown or str(row))


@cache
def link_column(name: str) -> Callable[[Any], str]:
    """A field with a label, as a column or a line of a page. The same function each time: Django compares them."""

    def show(row: Any) -> str:
        return label_link(getattr(row, name))

    return _named(show, name)


@cache
def state_column(name: str = "state") -> Callable[[Any], str]:
    """A field with choices, shown in its colour."""

    def show(row: Any) -> str:
        value = getattr(row, name)
        return badge(value, getattr(row, f"get_{name}_display")()) if value else "-"

    return _named(show, name)


@cache
def time_column(name: str) -> Callable[[Any], str]:
    """A time, the same way on every page."""

    def show(row: Any) -> str:
        return moment(getattr(row, name))

    return _named(show, name)


@cache
def added_column(added: Column) -> Callable[[Any], str]:
    """A column that another app adds to a list."""

    def show(row: Any) -> str:
        return added.show(row)

    show.__name__ = added.name
    show.short_description = added.title  # type: ignore[attr-defined]
    return show


def _named(show: Callable[[Any], str], name: str) -> Callable[[Any], str]:
    # Django reads these from the function; the name must not be that of the field, which it would look up instead.
    show.__name__ = f"{name}_shown"
    show.short_description = name.removesuffix("_ref").replace("_", " ")  # type: ignore[attr-defined]
    show.admin_order_field = name  # type: ignore[attr-defined]
    return show


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts to 10,000 and no further: exact counts of a million rows would cost more than the page itself."""

    @cached_property
    def count(self) -> int:
        return cast("QuerySet[Model]", self.object_list).order_by()[:COUNTED].count()


class CockpitAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows that only services change: nothing is added, edited or deleted here but what `editable` names.

    `applies_to` names the states in which each dialog's button is shown; the service has the last word. An admin with
    `editable` fields hands over `record`, which writes the audit trail. `empty_text` says why there is no row yet.
    """

    label = ""
    editable: Sequence[str] = ()
    owner_only = False
    applies_to: dict[str, tuple[str, ...]] = {}
    record: Callable[..., object] | None = None
    empty_text = ""
    list_per_page = 50
    list_max_show_all = 200
    list_fullwidth = True
    list_filter_submit = False
    show_full_result_count = False
    paginator = CappedPaginator
    change_form_outer_after_template = "admin/panels.html"

    class Media:
        css = {"all": ["common/cockpit.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(self.editable) and self.has_act_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        meta = self.model._meta
        names = (f"{meta.app_label}.{verb}_{meta.model_name}" for verb in ("view", "change"))
        return any(request.user.has_perm(name) for name in names)

    def has_act_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        """Whether this user may act: superusers own, staff with the model's change permission operate."""
        if self.owner_only:
            return request.user.is_active and request.user.is_superuser
        return request.user.has_perm(f"{self.model._meta.app_label}.change_{self.model._meta.model_name}")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        for added in columns_of(self.label):
            rows = added.annotate(rows)
        return rows

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        own = [self._column(name) for name in super().get_list_display(request)]
        return [*own, *(added_column(added) for added in columns_of(self.label))]

    def _column(self, name: Any) -> Any:
        return time_column(name) if name in self._times else name

    @cached_property
    def _times(self) -> set[str]:
        return {field.name for field in self.model._meta.fields if isinstance(field, models.DateTimeField)}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if self.record is not None:
            self.record(
                actor=actor_of(request),
                action=f"{self.label} {'changed' if change else 'added'}",
                subject=f"{self.label}:{obj.pk}",
                detail={name: str(form.cleaned_data.get(name)) for name in form.changed_data},
            )

    def facts(self) -> list[Any]:
        """The short fields of a row, as lines of its page."""
        return [self._line(field) for field in self.model._meta.fields if not self._is_long(field)]

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        """Two facts a line; what can be edited has a line of its own."""
        fixed = [fact for fact in self.facts() if fact not in self.editable]
        return [*(tuple(fixed[at : at + 2]) for at in range(0, len(fixed), 2)), *self.editable]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        return [fact for fact in self.facts() if fact not in self.editable]

    def _is_long(self, field: Any) -> bool:
        return isinstance(field, LONG_FIELDS) and field.name not in self.editable

    def _line(self, field: Any) -> Any:
        if field.name in self.editable:
            return field.name
        if field.name in LABEL_FIELDS:
            return link_column(field.name)
        return state_column(field.name) if field.name == "state" else self._column(field.name)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only the buttons that apply to the row as it is now."""
        found = super().get_actions_detail(request, object_id)
        row = self.get_object(request, str(object_id)) if found else None
        return [each for each in found if row is not None and self.applies(each.method.original_function_name, row)]

    def applies(self, name: str, row: Any) -> bool:
        """Whether a dialog makes sense for a row in its present state."""
        return name not in self.applies_to or row.state in self.applies_to[name]

    def panels(self, request: HttpRequest, row: Any) -> list[Panel]:
        """What stands below the row's fields: what every app knows of it, then its long fields."""
        long = [
            Block(heading=str(field.verbose_name).capitalize(), body=[show_long(getattr(row, field.name))])
            for field in self.model._meta.fields
            if self._is_long(field) and getattr(row, field.name)
        ]
        own = [Panel(title="Content", empty="", blocks=long)] if long else []
        return [*own, *panels_of(request, f"{self.label}:{row.pk}")]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        row = kwargs.get("obj")
        context["panels"] = self.panels(request, row) if row is not None else []
        return cast(HttpResponse, super().render_change_form(request, context, **kwargs))


def show_long(value: Any) -> str:
    """A long field: text as it is, JSON indented."""
    return text(value) if isinstance(value, str) else data(value)
