"""Jobs in the admin: the list, and the page that holds everything about one."""

from jobs.admin import events, pages  # noqa: F401  (registers the pages)
