"""Records as text or JSON: who, from where, in which request, and nothing that a visitor could forge."""

import logging
import re
from datetime import UTC, datetime

from pythonjsonlogger.json import JsonFormatter as AnyJsonFormatter

from didmgmt import requests

TOKEN = re.compile(r"(did_[A-Za-z0-9]+)\.[A-Za-z0-9]+")  # of a program, see ``staff.tokens``


def without_secrets(text):
    """Return ``text`` with only the keys of API tokens. The last net: nothing should have logged one."""
    return TOKEN.sub(r"\1.[secret]", text) if "did_" in text else text


def escape(text):
    """Return ``text`` with line breaks, control, bidi and other invisible characters as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def _without_traceback(record):
    """Return the record without a traceback unless it is an error: a refusal is no fault of the program."""
    if record.exc_info and record.levelno < logging.ERROR:
        return logging.makeLogRecord(record.__dict__ | {"exc_info": None, "exc_text": None})
    return record


class LineFormatter(logging.Formatter):
    """Format a record as one line, with user and address when it is about a request, and the request's id.

    A traceback follows, indented.
    """

    def __init__(self):
        super().__init__("{asctime} {levelname} {name}: {message}", style="{")

    def formatMessage(self, record):
        who, request = "", getattr(record, "request", None)
        if request:
            user = requests.signed_in(request)
            name = user.get_username() if user else "anonymous"
            who = f" by {name} from {request.META.get('REMOTE_ADDR', '')}"
        if current := requests.current():
            who += f" in request {current.id}"
        return escape(super().formatMessage(record) + who)

    def formatException(self, exc_info):
        return "\n".join(f"    {escape(line)}" for line in super().formatException(exc_info).split("\n"))

    def format(self, record):
        return without_secrets(super().format(_without_traceback(record)))


class JsonFormatter(AnyJsonFormatter):
    """Format a record as one line with a JSON object of these fields, without those that have no value.

    ``time``: ISO 8601 in UTC. ``duration``: seconds, of a request. ``exception``: the traceback. Whatever
    else libraries attach to a record, such as the request itself, is left out.
    """

    FIELDS = (
        "time", "level", "logger", "message", "request_id", "route", "method", "status", "duration",
        "user_id", "reseller_id", "address", "exception",
    )  # fmt: skip

    def __init__(self):
        super().__init__(["message", "method", "status", "duration"], rename_fields={"exc_info": "exception"})

    def format(self, record):
        return without_secrets(super().format(_without_traceback(record)))

    def add_fields(self, log_data, record, message_dict):
        super().add_fields(log_data, record, message_dict)
        log_data["time"] = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        log_data |= {"level": record.levelname, "logger": record.name}
        if request := requests.current():
            user = requests.signed_in(request)
            log_data |= {
                "request_id": request.id,
                "route": requests.route(request),
                "user_id": user and user.pk,
                "reseller_id": user and user.reseller_id,
                "address": request.META.get("REMOTE_ADDR"),
            }

    def process_log_record(self, log_data):
        return {name: log_data[name] for name in self.FIELDS if log_data.get(name) is not None}
