"""Mail notices: those of a person that come within a short time in one mail, tried again while it fails.

A worker makes a mail of all that wait for a person, and sets their next try ahead before it sends, so that
another one sends it again if this one dies. A mail may then arrive twice; its Message-ID stays the same.
"""

import logging
import smtplib
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from didmgmt import clock
from didmgmt.text import count_noun, shorten
from events.delivery import pause_after
from events.models import TRIES
from jobs.companions import register
from notices.models import Mail, Notice, Wish, kinds_for
from notices.reading import read

CLAIMED = timedelta(minutes=5)  # longer than any try
MOST = 100  # notices in one mail; the others follow in the next
LONGEST_SUBJECT = 100  # characters

log = logging.getLogger("notices")


class Mailer:
    """Mail notices that are due."""

    name = "Mailing notices"

    def due(self, now):
        return Notice.objects.filter(mail_at__lte=now).order_by("mail_at")

    def work(self, stopped):
        while not stopped.is_set() and (first := self.due(clock.database_now()).first()):
            if mail := _claim(first):
                _send(mail)


def _claim(first):
    """Return the mail with this notice, a new one if it has none; None if another worker has claimed it."""
    ahead = clock.database_now() + CLAIMED
    if first.mail_id is not None:
        again = Notice.objects.filter(mail=first.mail_id, mail_at=first.mail_at)
        return first.mail if again.update(mail_at=ahead) else None
    with transaction.atomic():
        waiting = Notice.objects.filter(user=first.user_id, mail=None, mail_at__isnull=False).order_by("pk")
        waiting = waiting.select_for_update(of=("self",), skip_locked=True)
        keys = list(waiting.values_list("pk", flat=True)[:MOST])
        if not keys:
            return None
        mail = Mail.objects.create(user_id=first.user_id)
        Notice.objects.filter(pk__in=keys).update(mail=mail, mail_at=ahead)
        return mail


def _send(mail):
    """Try a claimed mail once, and store what came of it."""
    message = compose(mail)
    try:
        if message:
            message.send()
    except (OSError, smtplib.SMTPException) as error:
        _failed(mail, error)
        return
    with transaction.atomic():
        mail.sent_at, mail.error = clock.database_now() if message else None, ""
        mail.save(update_fields=["sent_at", "error"])
        mail.notices.update(mail_at=None)


def _failed(mail, error):
    """Set the next try; a mail is given up after ``TRIES`` of them, and at once if nobody has the address."""
    mail.tries += 1
    mail.error = shorten(str(error), 200)
    refused = isinstance(error, smtplib.SMTPRecipientsRefused) and all(
        code >= 500 for code, _ in error.recipients.values()
    )
    given_up = refused or mail.tries >= TRIES
    log.warning("%s failed, %s: %s", mail, "given up" if given_up else "trying again", mail.error)
    with transaction.atomic():
        mail.save(update_fields=["tries", "error"])
        next_try = None if given_up else clock.database_now() + pause_after(mail.tries)
        mail.notices.update(mail_at=next_try)


def compose(mail):
    """Return the EmailMessage of what its reader still wants and may see; None if there is nothing.

    Left out is what the reader has read in the product since.
    """
    user = mail.user
    wishes = Wish.of(user)
    kinds = [kind for kind in kinds_for(user) if wishes[kind].by_mail]
    notices = mail.notices.readable_by(user).unread().filter(kind__in=kinds).order_by("pk")
    if not (user.is_active and "by_mail" in Wish.places_for(user)):
        return None
    with timezone.override(user.time_zone):
        messages = [message for _, message in read(list(notices), user)]
    if not messages:
        return None
    settings_url = f"{settings.BASE_URL}{reverse('staff:me')}#notifications"
    context = {"messages": messages, "base_url": settings.BASE_URL, "settings_url": settings_url}
    many = count_noun(len(messages), "notification")
    return EmailMessage(
        shorten(str(messages[0]) if len(messages) == 1 else f"DID Management: {many}", LONGEST_SUBJECT),
        render_to_string("notices/mail.txt", context),
        to=[user.email],
        headers={
            "Message-ID": f"<notices-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S}@{_host()}>",
            "Auto-Submitted": "auto-generated",
            "List-Unsubscribe": f"<{settings_url}>",
        },
    )


def _host():
    return urlsplit(settings.BASE_URL).hostname


register(Mailer())
