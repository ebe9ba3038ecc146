import logging

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import DisallowedRedirect
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from didmgmt.addresses import go_to, is_ours
from screens.staff.forms import MeForm, PasswordForm, SignInForm

log = logging.getLogger("staff")


class SignIn(LoginView):
    template_name = "staff/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @method_decorator(login_not_required)
    def dispatch(self, request, *args, **kwargs):
        try:
            return super().dispatch(request, *args, **kwargs)
        except DisallowedRedirect:  # signed in, but the address is too long for a redirect
            return go_to(self.get_success_url())

    def form_valid(self, form):
        response = super().form_valid(form)
        log.info("Signed in", extra={"request": self.request})
        return response

    def get_redirect_url(self):
        """Return an address of any length; Django ignores those over 2,048 characters."""
        address = self.request.POST.get("next", self.request.GET.get("next", ""))
        return address if is_ours(self.request, address) else ""


class ChangePassword(PasswordChangeView):
    form_class = PasswordForm
    template_name = "staff/password_change.html"
    success_url = reverse_lazy("staff:password_change_done")

    def form_valid(self, form):
        with self.request.user.recorded(by=self.request.user):
            return super().form_valid(form)


@require_http_methods(["GET", "POST"])
def me(request):
    form = MeForm(request.POST or None, instance=request.user)
    if form.is_valid():
        with request.user.recorded(by=request.user):
            form.save()
        messages.success(request, "Settings saved.")
        return redirect("staff:me")
    return render(request, "staff/me.html", {"form": form}, status=422 if form.errors else 200)
