from django.urls import path

from telegram_bridge.views import webhook

urlpatterns = [path("webhook/telegram", webhook, name="telegram_webhook")]
