from django.contrib import messages
from django.contrib.auth.views import LoginView
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from staff.forms import MeForm


class SignIn(LoginView):
    template_name = "staff/login.html"
    redirect_authenticated_user = True


@require_http_methods(["GET", "POST"])
def me(request):
    form = MeForm(request.POST or None, instance=request.user)
    if form.is_valid():
        form.save()
        messages.success(request, "Your settings are saved.")
        return redirect("staff:me")
    return render(request, "staff/me.html", {"form": form}, status=422 if form.errors else 200)
