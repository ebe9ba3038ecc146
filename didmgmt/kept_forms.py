"""Keep a form that was sent after its session had ended, and show it again, filled in, after sign-in.

Scripts ask to sign in over the page, so this is for browsers without them. The fields are stored for
``KeptForm.KEPT`` without passwords and files. Only the session of the browser that sent them names them, and
only the user whose page it was gets them back: as the answer of the form's own view, which treats the form
as invalid and can't write.
"""

import re
from contextlib import contextmanager

from django.apps import apps
from django.contrib import messages
from django.db import connection
from django.http import QueryDict
from django.shortcuts import render
from django.utils.datastructures import MultiValueDict

from didmgmt.faults import READ
from didmgmt.forms import coming_back

KEY = "kept_form"  # key of the session
SECRET = re.compile("password|csrfmiddlewaretoken", re.IGNORECASE)
LOST = "Your session has ended, so nothing was done, and what you sent could not be kept. Send it again."
OTHERS = "The form that was sent from this browser belongs to another person, so it was dropped."


class _WriteError(Exception):
    """The view of a form that comes back tries to write."""


def keep(request, owner):
    """Store the fields of a refused POST; return whether they come back after sign-in.

    ``owner``: the primary key of the user whose session has ended, None if unknown. It is also the user whose
    page it was: signing in replaces the CSRF token, so forms of an earlier user are refused before.
    """
    fields = request.POST.copy()
    for name in [name for name in fields if SECRET.search(name)]:
        del fields[name]
    body, kept = fields.urlencode(), apps.get_model("didmgmt", "KeptForm").objects
    if not owner or not (token := kept.store(owner, request.get_full_path(), body)):
        return False
    request.session[KEY] = token
    return True


class KeptFormMiddleware:
    """Answer the first page after sign-in with the form that was kept, if it is the page of that form.

    It comes last, so that it calls the view as the other middleware left the request.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_view(self, request, view, args, kwargs):
        if not getattr(view, "login_required", True):
            return None  # before the user is loaded: health checks do without the database
        if request.method != "GET" or not request.user.is_authenticated or KEY not in request.session:
            return None
        kept = apps.get_model("didmgmt", "KeptForm").objects.take(request.session.pop(KEY))
        if kept is None or kept.path != request.get_full_path():
            return None
        if kept.owner_id != request.user.pk:
            messages.warning(request, OTHERS)
            return None
        request.method, request.POST, request._files = "POST", QueryDict(kept.body), MultiValueDict()
        try:
            with coming_back(), _nothing_written():
                return view(request, *args, **kwargs)
        except _WriteError:
            fields = [(name, value) for name, values in request.POST.lists() for value in values]
            return render(request, "kept_form.html", {"path": kept.path, "fields": fields})
        finally:
            request.method = "GET"


@contextmanager
def _nothing_written():
    def refuse(execute, sql, params, many, context):
        if not READ.match(sql):
            raise _WriteError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield
