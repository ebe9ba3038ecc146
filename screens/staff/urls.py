from django.contrib.auth import views as auth
from django.urls import path

from screens.staff import views

app_name = "staff"

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("session/", views.session_state, name="session"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password/", views.ChangePassword.as_view(), name="password_change"),
    path(
        "password/done/",
        auth.PasswordChangeDoneView.as_view(template_name="staff/password_change_done.html"),
        name="password_change_done",
    ),
    path("me/", views.me, name="me"),
    path("me/lists/", views.list_settings, name="lists"),
]
