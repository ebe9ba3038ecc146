"""A real mail server of a test."""

import socket
from contextlib import contextmanager
from email import message_from_bytes

from aiosmtpd.controller import Controller


@contextmanager
def mail_server(received, answers=()):
    """Run a mail server that appends mails to ``received``; yield its port.

    ``answers``: what it answers to the first mails instead of taking them.
    """
    answers = list(answers)

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            if answers:
                return answers.pop(0)
            received.append(message_from_bytes(envelope.content))
            return "250 OK"

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()
