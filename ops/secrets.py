"""Keys and passwords of the owner: encrypted in the database, put into a call at its edge, redacted everywhere else.

The key that opens them is a file of `DATA_DIR`, so that a copy of the database alone opens nothing.
"""

import logging
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from common.errors import AgentError
from common.kept import kept_secret
from common.text import LEAST_SECRET, remember_secrets
from ops import audit
from ops.models import Secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

logger = logging.getLogger(__name__)
KEY_FILE = "secrets-key"
NAMED = re.compile(r"\{\{\s*secret:([A-Za-z0-9_-]+)\s*\}\}")
HOST = re.compile(r"\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?", re.IGNORECASE)
FRESH = timedelta(seconds=5)
"""How long a process may not know of a secret that another one has just stored."""


class SecretError(AgentError):
    """The secret can't be used; the sentence says why."""


def secret_set(*, name: str, value: str, hosts: list[str], actor: str) -> Secret:
    """Stores or replaces a secret; `hosts` are the only ones that it may be sent to. Raises SecretError."""
    for problem in complaints(name=name, value=value, hosts=hosts).values():
        raise SecretError(problem)
    fields = {"ciphertext": _cipher().encrypt(value.encode()), "hosts": [host.lower() for host in hosts]}
    with transaction.atomic():
        secret, created = Secret.objects.update_or_create(
            name=name, defaults=fields, create_defaults=fields | {"created_by": actor}
        )
        detail = {"name": name, "hosts": secret.hosts}
        audit.record(
            actor=actor, action=f"secret {'stored' if created else 'replaced'}", subject=ref(secret), detail=detail
        )
    remember_secrets([value])
    return secret


def complaints(*, name: str, value: str, hosts: list[str]) -> dict[str, str]:
    """What is wrong with a secret that somebody wants to store: a sentence for each of the three that is."""
    found = {}
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
        found["name"] = "A secret's name consists of letters, digits, “-” and “_”, at most 60."
    if len(value) < LEAST_SECRET:
        found["value"] = f"A secret has at least {LEAST_SECRET} characters: a shorter one could not be redacted."
    if wrong := [host for host in hosts if not HOST.fullmatch(host)]:
        found["hosts"] = f"“{wrong[0]}” is no host name. Write api.example.com, or .example.com for all below it."
    return found


def secret_delete(secret: Secret, *, actor: str) -> None:
    """Forgets a secret. What this process knows of it stays redacted until it ends."""
    with transaction.atomic():
        audit.record(actor=actor, action="secret deleted", subject=ref(secret), detail={"name": secret.name})
        secret.delete()


def ref(secret: Secret) -> str:
    return f"secret:{secret.pk}"


def names_in(text: str) -> set[str]:
    """The names of the secrets that `text` asks for."""
    return set(NAMED.findall(text))


def fill(text: str, *, host: str, written: Callable[[str], str] = str) -> str:
    """`text` with each `{{secret:name}}` replaced by its value, for a call to `host`: the last thing before it is sent.

    `written`: how a value is written where it will stand, in an address or in JSON. Raises SecretError where there is
    none of that name, or where it may not be sent to that host.
    """
    return NAMED.sub(lambda found: written(secret_value(found[1], host=host)), text)


def secret_value(name: str, *, host: str) -> str:
    """The value, for a call to `host` ("" for a program that the owner named it for). Raises SecretError."""
    secret = Secret.objects.filter(name=name).first()
    if secret is None:
        raise SecretError(f"There is no secret called “{name}”. The owner can add it in the admin, under Secrets.")
    if host and not _may_go_to(secret, host):
        raise SecretError(f"The secret “{name}” may not be sent to {host}: the owner has not listed that host for it.")
    value = _opened(secret)
    remember_secrets([value])
    Secret.objects.filter(pk=secret.pk).update(uses=F("uses") + 1, last_used_at=timezone.now())
    return value


def refresh() -> None:
    """Makes this process know all secrets, so that it redacts them; asks the database at most every 5 s."""
    global _known_at
    now = timezone.now()
    if _known_at is None or now - _known_at >= FRESH:
        _known_at = now
        for secret in Secret.objects.only("name", "ciphertext"):
            try:
                remember_secrets([_opened(secret)])
            except SecretError as error:  # it can't be used either; whoever tries is told
                logger.warning("%s", error)


_known_at: datetime | None = None


def _may_go_to(secret: Secret, host: str) -> bool:
    host = host.lower().rstrip(".")
    return any(host == each or (each.startswith(".") and host.endswith(each)) for each in secret.hosts)


def _opened(secret: Secret) -> str:
    from cryptography.fernet import InvalidToken

    try:
        return _cipher().decrypt(bytes(secret.ciphertext)).decode()
    except InvalidToken:
        raise SecretError(
            f"The secret “{secret.name}” can't be opened: it was stored with another key than the one in "
            f"{settings.DATA_DIR / KEY_FILE}. Bring that file back, or store the secret again."
        ) from None


def _cipher() -> "MultiFernet":
    """The first line of the key file encrypts; the older ones below it still open. Imported late: it weighs 8 MB."""
    from cryptography.fernet import Fernet, MultiFernet

    lines = kept_secret(settings.DATA_DIR, KEY_FILE).split()
    remember_secrets(lines)
    return MultiFernet([Fernet(urlsafe_b64encode(sha256(line.encode()).digest())) for line in lines])


def key_renew(*, actor: str) -> int:
    """Makes a new key, encrypts every secret with it, forgets the old one; returns how many. Raises SecretError."""
    path = settings.DATA_DIR / KEY_FILE
    old = kept_secret(settings.DATA_DIR, KEY_FILE)
    with transaction.atomic():
        rows = list(Secret.objects.select_for_update())
        values = [_opened(secret) for secret in rows]
        _replace(path, f"{token_urlsafe(48)}\n{old}")  # both open until all is written anew
        for secret, value in zip(rows, values, strict=True):
            Secret.objects.filter(pk=secret.pk).update(ciphertext=_cipher().encrypt(value.encode()))
        audit.record(actor=actor, action="secrets key renewed", subject="secret:key", detail={"secrets": len(rows)})
    _replace(path, path.read_text().split()[0])
    return len(rows)


def _replace(path: Path, text: str) -> None:
    """The file with a new content, at once or not at all, readable by its owner only."""
    draft = path.with_name(f".{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
