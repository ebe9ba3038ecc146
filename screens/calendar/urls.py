from django.urls import path

from screens.calendar import feed, views

app_name = "calendar"

urlpatterns = [
    path("", views.calendar, name="calendar"),
    path("export/", views.calendar_export, name="export"),
    path("feed/", feed.feed_new, name="feed"),
]
