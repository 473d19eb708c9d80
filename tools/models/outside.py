from django.db import models


class OutsideFile(models.Model):
    """A file of the workspace that holds what outsiders wrote, or what was written by who had read it."""

    path = models.TextField(unique=True, blank=True, help_text="within the workspace; empty: anything in it may be one")
    source = models.TextField(help_text="whose text it is, in words")
    run_ref = models.CharField(max_length=40, blank=True)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path or "the whole workspace"
