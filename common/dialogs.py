"""Actions of the admin: a dialog asks, a service is called on POST, a message tells what became of it."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from common.errors import AgentError

Function = TypeVar("Function", bound=Callable[..., Any])
LineWidget, TextWidget = UnfoldAdminTextInputWidget, UnfoldAdminTextareaWidget
SelectWidget, RadioWidget = UnfoldAdminSelectWidget, UnfoldAdminRadioSelectWidget
PasswordWidget = UnfoldAdminPasswordWidget


def actor_of(request: HttpRequest) -> str:
    """The label of who is logged in, as services record it."""
    return f"user:{request.user.pk}"


class Dialog(BaseDialogForm):  # type: ignore[misc]
    """The form inside a dialog; without fields of its own it only asks for confirmation.

    `submit_text` goes before what the action calls its button.
    """

    submit_text = ""


def dialog(
    title: str, *, submit: str, description: str = "", form: type[Dialog] = Dialog, icon: str = "", danger: bool = False
) -> Callable[[Function], Function]:
    """Decorator: a button that opens a dialog and acts on its POST only, for those who may act.

    (unfold's plain actions run on GET: they must not be used for anything that changes a row.)
    """
    made = action(
        permissions=["act"],
        description=title,
        icon=icon or None,
        variant=ActionVariant.DANGER if danger else ActionVariant.DEFAULT,
        dialog={"title": title, "description": description, "form_class": form, "form_submit_text": submit},
    )
    return cast(Callable[[Function], Function], made)


def act(request: HttpRequest, verb: Callable[[], object], *, done: str) -> HttpResponse:
    """Call a service for a dialog: `done` or the error's sentence is the message; back to where it was opened."""
    try:
        verb()
    except AgentError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return _back(request)


def act_on_each(request: HttpRequest, rows: Iterable[Model], verb: Callable[[Any], object], *, done: str) -> None:
    """Call a service for each selected row and report `done` with their number; each refusal is told."""
    count = 0
    for row in rows:
        try:
            verb(row)
            count += 1
        except AgentError as error:
            messages.warning(request, f"{row}: {error}")
    messages.success(request, f"{done}: {count}.")


def _back(request: HttpRequest) -> HttpResponse:
    """To the page that the dialog lies over: htmx names it, and follows a header in place of a redirect."""
    url = request.headers.get("HX-Current-URL", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
        url = reverse("admin:index")
    return HttpResponse(headers={"HX-Redirect": url}) if request.headers.get("HX-Request") else redirect(url)
