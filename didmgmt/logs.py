"""One line a record: who, from where, and nothing that a visitor could forge."""

import logging

from django.utils.functional import SimpleLazyObject


def escape(text):
    """Return ``text`` with line breaks, control, bidi and other invisible characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


class LineFormatter(logging.Formatter):
    """Format a record as one line, with user and address when it is about a request.

    A traceback follows, indented, only for an error: a refused request (403) is no fault of the program.
    """

    def __init__(self):
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatMessage(self, record):
        request = getattr(record, "request", None)
        who = f" by {_user(request)} from {request.META.get('REMOTE_ADDR', '')}" if request else ""
        return escape(super().formatMessage(record) + who)

    def formatException(self, exc_info):
        return "\n".join(f"    {escape(line)}" for line in super().formatException(exc_info).split("\n"))

    def format(self, record):
        if record.exc_info and record.levelno < logging.ERROR:
            record = logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
        return super().format(record)


def _user(request):
    """Return the user's name if the user has been loaded; logging runs no query."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return user.get_username() if user is not None and user.is_authenticated else "anonymous"
