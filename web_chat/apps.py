from django.apps import AppConfig


class WebChatConfig(AppConfig):
    name = "web_chat"
    verbose_name = "Web chat"
