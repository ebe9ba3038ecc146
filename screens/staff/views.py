import logging
from urllib.parse import urlsplit

from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import DisallowedRedirect
from django.http import HttpResponse, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from didmgmt import kept_forms
from didmgmt.addresses import go_to, is_ours
from didmgmt.parameters import OF_PAGE
from didmgmt.text import parse_whole
from screens.staff.forms import MeForm, NoticesForm, PasswordForm, SignInForm
from staff.middleware import PAGE_USER, other_user

log = logging.getLogger("staff")


class SignIn(LoginView):
    """The sign-in page; for a script, the dialog with which the user of a page signs in again over it."""

    template_name = "staff/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @method_decorator(login_not_required)
    def dispatch(self, request, *args, **kwargs):
        if PAGE_USER in request.headers and request.user.is_authenticated:  # meanwhile, in another tab
            is_same = request.headers[PAGE_USER] == str(request.user.pk)
            return _signed_in(request) if is_same else other_user(request)
        try:
            return super().dispatch(request, *args, **kwargs)
        except DisallowedRedirect:  # signed in, but the address is too long for a redirect
            return go_to(self.get_success_url())

    def form_valid(self, form):
        page_user = self.request.headers.get(PAGE_USER)
        if page_user and page_user != str(form.get_user().pk):
            form.add_error(None, "This page belongs to another user.")
            return self.form_invalid(form)
        response = super().form_valid(form)
        log.info("Signed in", extra={"request": self.request})
        return _signed_in(self.request) if page_user else response

    def form_invalid(self, form):
        if PAGE_USER in self.request.headers:
            return _again(self.request, form.non_field_errors() or form.errors.get("password", []))
        return super().form_invalid(form)

    def get_context_data(self, **kwargs):
        return super().get_context_data(**kwargs, kept=kept_forms.KEY in self.request.session)

    def get_redirect_url(self):
        """Return an address of any length; Django ignores those over 2,048 characters."""
        address = self.request.POST.get("next", self.request.GET.get("next", ""))
        return address if is_ours(self.request, address) else ""


def _signed_in(request):
    response = HttpResponse(status=204)
    response.headers["X-CSRF-Token"] = get_token(request)
    return response


def _again(request, errors):
    """Render the field for the password with its errors."""
    return render(request, "staff/_sign_in_again.html", {"errors": errors}, status=422)


def locked(request, _original_response, _credentials):
    """Answer somebody who entered too many wrong passwords (AXES_LOCKOUT_CALLABLE)."""
    context = {"cooloff_timedelta": get_cool_off(request)}
    if PAGE_USER in request.headers:
        return _again(request, [render_to_string("staff/_locked.html", context).strip()])
    return render(request, "staff/locked.html", context, status=settings.AXES_HTTP_RESPONSE_CODE)


@require_safe
@never_cache
def session_state(request):
    """Tell a script that the session has not ended; the middleware answers otherwise."""
    return _signed_in(request)


class ChangePassword(PasswordChangeView):
    form_class = PasswordForm
    template_name = "staff/password_change.html"
    success_url = reverse_lazy("staff:password_change_done")

    def form_valid(self, form):
        with self.request.user.recorded(by=self.request.user):
            return super().form_valid(form)


@require_http_methods(["GET", "POST"])
def me(request):
    """Show and save what users may change about themselves, and what they want to be told of."""
    form = MeForm(request.POST or None, instance=request.user)
    notices = NoticesForm(request.POST or None, user=request.user)
    if form.is_valid() and notices.is_valid():
        with request.user.recorded(by=request.user):
            form.save()
            notices.save()
        messages.success(request, "Settings saved.")
        return redirect("staff:me")
    context = {
        "form": form,
        "notices": notices,
        "keep_days": settings.NOTICE_KEEP_DAYS,
        "mail": settings.NOTICE_MAIL,
    }
    return render(request, "staff/me.html", context, status=422 if form.errors else 200)


@require_POST
def list_settings(request):
    """Remember how the user wants lists, and show the list in ``back`` again."""
    user, back = request.user, request.POST.get("back", "")
    address = urlsplit(back if is_ours(request, back) else "/")
    query = QueryDict(address.query, mutable=True)
    if "page_size" in request.POST:
        size = parse_whole(request.POST["page_size"])
        if size not in settings.PAGE_SIZES:
            sizes = ", ".join(map(str, settings.PAGE_SIZES))
            messages.error(request, f"A page has one of these numbers of rows: {sizes}.")
            return go_to(_path(address, query))
        user.page_size = size
        for name in OF_PAGE:
            query.pop(name, None)
        query["per_page"] = str(size)
    elif "numbers" in request.POST:
        user.groups_numbers = request.POST["numbers"] == "grouped"
    elif "copies" in request.POST:
        user.copies_e164 = request.POST["copies"] == "e164"
    else:
        user.is_dense = request.POST.get("density") == "dense"
    user.save(update_fields=["page_size", "is_dense", "groups_numbers", "copies_e164"])
    return go_to(_path(address, query))


def _path(address, query):
    return f"{address.path}?{query.urlencode()}" if query else address.path
