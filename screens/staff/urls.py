from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from screens.staff import views
from screens.staff.forms import PasswordForm

app_name = "staff"

urlpatterns = [
    path("login/", views.SignIn.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(
            form_class=PasswordForm,
            template_name="staff/password_change.html",
            success_url=reverse_lazy("staff:password_change_done"),
        ),
        name="password_change",
    ),
    path(
        "password/done/",
        auth.PasswordChangeDoneView.as_view(template_name="staff/password_change_done.html"),
        name="password_change_done",
    ),
    path("me/", views.me, name="me"),
]
