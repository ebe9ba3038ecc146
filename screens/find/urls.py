from django.urls import path

from screens.find import views

app_name = "find"

urlpatterns = [path("", views.find_page, name="page")]
