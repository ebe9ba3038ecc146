from django.urls import path

from screens.calendar import feed, views

app_name = "calendar"

urlpatterns = [
    path("", views.calendar, name="calendar"),
    path("feed/", feed.feed_new, name="feed"),
]
