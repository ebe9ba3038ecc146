"""Serve the product without preparing anything: for hosts where it has been set up."""

import errno
import logging
import signal
import socket
import threading

from django.conf import settings
from django.core.management import BaseCommand
from django.db import connections

from didmgmt import windows
from didmgmt.children import Children, end_with_parent
from didmgmt.keys import refuse_others
from didmgmt.measures import shared_by_children
from didmgmt.server import Server, allow_files, collect_seldom, given_socket, listen

log = logging.getLogger("web")


class Command(BaseCommand):
    help = "Run WEB_PROCESSES web processes at HOST and PORT, and start those that die again."
    requires_system_checks = ()  # each process would repeat them

    def add_arguments(self, parser):
        parser.add_argument("--socket", type=int, metavar="DESCRIPTOR", help="be one of the processes")

    def handle(self, *args, **options):
        if options["socket"] is not None:
            # Imported by web processes alone, since it sets their limits.
            from didmgmt.wsgi import application  # noqa: PLC0415

            serve_on(socket.socket(fileno=options["socket"]), application)
            return
        refuse_others()
        connections.close_all()
        stop = stop_event()
        with listening() as listener, shared_by_children(), windows.shared_by_children() as counts:
            files = [listener.fileno(), counts]
            children = Children(web_commands(listener), files=files, say=log.warning)
            try:
                children.keep_running(stop)
            finally:
                listener.close()  # so that it ends with the last child, which accepts who is waiting
                children.stop()


def serve_on(listener, application):
    """Serve ``application`` in this process until it gets SIGTERM or its parent is gone."""
    allow_files()
    collect_seldom()
    server = Server(application, listener)
    signal.signal(signal.SIGTERM, server.stop)
    end_with_parent()
    server.run()


def stop_event():
    """Return an event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def listening():
    """Return the socket that systemd holds, or one that listens at HOST and PORT; exit if it can't."""
    if given := given_socket():
        return given
    host, port = settings.HOST, settings.PORT
    try:
        return listen(host, port)
    except socket.gaierror:
        refuse(f"HOST {host!r} is not an address or a name of this machine.")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            refuse(f"Port {port} on {host} is in use. Choose another one with PORT.")
        refuse(f"Cannot listen on {host} port {port}: {error.strerror}.")


def refuse(sentence):
    """Exit with ``sentence`` as the reason."""
    raise SystemExit(f"Error: {sentence}")


def web_commands(listener):
    """Return {name: arguments} of the processes that serve requests on ``listener``."""
    command = ["manage.py", "web", "--socket", str(listener.fileno())]
    return {f"web process {number}": command for number in range(1, settings.WEB_PROCESSES + 1)}
