from django.apps import AppConfig


class AgentSiteConfig(AppConfig):
    name = "agent_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from agent_site import checks  # noqa: F401  (registers the system checks)
