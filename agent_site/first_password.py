"""The password that the first start made: whoever logs in with it chooses one of his own before anything else.

The mark is the salt of its hash: it is read with the user, without a query of its own, and goes when the password is
changed, by whatever door. Accepted: when a new Django hashes harder, the first login writes a new hash without it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy
from django.utils.crypto import get_random_string
from unfold.forms import AdminOwnPasswordChangeForm

MARK = "made."
"""No salt that Django makes has a full stop, and no encoded hash."""
SALT_LENGTH = 22
HELD = ("/admin/", "/chat/")
OPEN = ("admin:login", "admin:logout", "admin:password_change")
PASSWORD_FILE = "admin-password"


def hash_made(password: str) -> str:
    """The hash of a password that was made for somebody, with the mark."""
    return make_password(password, salt=MARK + get_random_string(SALT_LENGTH))


def must_change(user: Any) -> bool:
    """Whether this is somebody who still has the password that was made for him."""
    return isinstance(user, User) and f"${MARK}" in user.password


def password_path() -> Path:
    """Where the made password is kept when nobody saw a terminal."""
    path: Path = settings.DATA_DIR / PASSWORD_FILE
    return path


class FirstPasswordGate:
    """Sends him from every page to the one where he chooses a password; scripts get a status and a sentence."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(HELD) or not must_change(request.user) or request.path in map(reverse, OPEN):
            return self.get_response(request)
        change = reverse("admin:password_change")
        if request.path.startswith("/chat/") and request.path != reverse("web_chat:page"):
            return JsonResponse({"error": f"Choose a password of your own first, at {change}."}, status=403)
        return redirect(change)


class OwnPasswordForm(AdminOwnPasswordChangeForm):  # type: ignore[misc]
    """The admin's form, which also refuses the made password as the new one."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        if must_change(user):
            self.fields[
                "old_password"
            ].help_text = f"The one that was made for you: the first start showed it, or left it in {password_path()}."

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if password == self.cleaned_data.get("old_password"):
            raise ValidationError("This is the old password: choose another one.", code="same_password")
        return password


class OwnPasswordView(PasswordChangeView):
    """The admin's page; a made password that was kept in a file is deleted with its use."""

    form_class = OwnPasswordForm
    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = admin.site.each_context(self.request) | super().get_context_data(**kwargs)
        if must_change(self.request.user):
            context["title"] = "Choose a password of your own"
        return context

    def form_valid(self, form: Any) -> HttpResponse:
        was_made = must_change(self.request.user)
        response = super().form_valid(form)
        if was_made:
            password_path().unlink(missing_ok=True)
        return response


def change(request: HttpRequest) -> HttpResponseBase:
    """Stands in front of the admin's own view of this address."""
    return admin.site.admin_view(OwnPasswordView.as_view(), cacheable=True)(request)
