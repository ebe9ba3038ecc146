from django.urls import path

from screens.calendar import views

app_name = "calendar"

urlpatterns = [path("", views.calendar, name="calendar")]
