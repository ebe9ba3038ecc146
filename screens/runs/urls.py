from django.urls import path

from screens.runs import views

app_name = "runs"

urlpatterns = [path("", views.find_run, name="find")]
