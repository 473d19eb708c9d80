from django.urls import path

from web_chat import views

app_name = "web_chat"
urlpatterns = [
    path("", views.page, name="page"),
    path("feed", views.feed, name="feed"),
    path("send", views.send, name="send"),
    path("decide", views.decide, name="decide"),
]
