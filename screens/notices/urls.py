from django.urls import path

from screens.notices import views

app_name = "notices"

urlpatterns = [
    path("", views.notice_list, name="list"),
    path("read/", views.notices_read, name="read_all"),
    path("<int:pk>/open/", views.notice_open, name="open"),
    path("<int:pk>/read/", views.notice_read, name="read"),
    path("jobs/<uuid:job>/seen/", views.job_seen, name="job_seen"),
]
