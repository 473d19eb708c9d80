from django.contrib import admin
from django.urls import include, path

from agent_site import first_password, views

urlpatterns = [
    path("", views.home, name="home"),
    path("admin/password_change/", first_password.change),
    path("admin/", admin.site.urls),
    path("chat/", include("web_chat.urls")),
    path("health", views.health, name="health"),
    path("health/live", views.alive, name="alive"),
    path("stats", views.stats, name="stats"),
    path("metrics", views.metrics, name="metrics"),
    path("", include("telegram_bridge.urls")),
]
