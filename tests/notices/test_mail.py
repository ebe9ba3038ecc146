"""Notices by mail: in one mail, with a link, tried again, and each once, whatever stops the worker."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from clients.models import Client, Package
from events.models import TRIES
from notices import mailing, writing
from notices.mailing import Mailer
from notices.models import Kind, Mail, Notice, Wish
from staff.models import User
from tests.kills import Nursery, kill
from tests.mail_servers import mail_server
from tests.notices.test_notices import give, on_day
from tests.receivers import wait_until
from tests.world import client_of, member

pytestmark = pytest.mark.django_db


@pytest.fixture
def mailed(settings, monkeypatch):
    """Let notices be mailed at once, to a server that isn’t there."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    settings.BASE_URL, settings.NOTICE_MAIL = "https://did.example", True
    monkeypatch.setattr(writing, "GATHERED", timedelta(0))
    return settings


@pytest.fixture
def reader(owner):
    """Return a person who wants to be mailed of ends of packages."""
    return wants_mail(owner, "owner@example.com")


def wants_mail(user, address):
    User.objects.filter(pk=user.pk).update(email=address)
    Wish.objects.create(user=user, kind=Kind.PACKAGE_END, by_mail=True)
    return user


def send(settings, answers=()):
    """Let a worker send what is due; return the mails that arrived."""
    received = []
    with mail_server(received, answers) as settings.EMAIL_PORT:
        Mailer().work(threading.Event())
    return received


def later():
    """Make what waits for its next try due."""
    Notice.objects.exclude(mail_at=None).update(mail_at=timezone.now() - timedelta(seconds=1))


def test_a_notice_is_mailed_as_text_with_a_link_and_where_to_turn_it_off(world, reader, mailed):
    given = give(world, "Castell", days=3)
    on_day(0)

    (mail,) = send(mailed)
    assert mail["To"] == "owner@example.com"
    assert mail["Subject"].startswith("Carrier of Castell ends on ")
    assert mail["List-Unsubscribe"] == "<https://did.example/me/#notifications>"
    assert mail["Message-ID"].endswith("@did.example>")
    assert mail.get_content_type() == "text/plain"
    body = mail.get_payload(decode=True).decode().replace("\r\n", "\n")
    assert f"https://did.example/client-packages/?client={given.client_id}" in body
    assert "turn mail off:\nhttps://did.example/me/#notifications" in body
    assert send(mailed) == []
    assert Mail.objects.get().sent_at is not None


def test_notices_within_a_short_time_are_one_mail(world, reader, mailed, monkeypatch):
    monkeypatch.setattr(writing, "GATHERED", timedelta(seconds=60))
    for name in ("Ash", "Birch", "Cedar"):
        give(world, name, days=3)
        on_day(0)
    assert send(mailed) == []
    later()

    (mail,) = send(mailed)
    assert mail["Subject"] == "DID Management: 3 notifications"
    body = mail.get_payload(decode=True).decode()
    assert [name for name in ("Ash", "Birch", "Cedar") if f"Carrier of {name} ends on" in body] == [
        "Ash",
        "Birch",
        "Cedar",
    ]


def test_a_mail_server_that_is_down_is_tried_again_later_with_the_same_mail(world, reader, mailed):
    give(world, "Castell", days=3)
    on_day(0)
    Mailer().work(threading.Event())

    mail, notice = Mail.objects.get(), Notice.objects.get()
    assert (mail.tries, mail.sent_at) == (1, None)
    assert "refused" in mail.error.lower()
    assert notice.mail_at > timezone.now()
    assert send(mailed) == []
    later()

    (arrived,) = send(mailed)
    assert arrived["Message-ID"].startswith(f"<notices-{mail.pk}-")
    mail.refresh_from_db()
    assert (mail.sent_at is not None, mail.error) == (True, "")


def test_a_mail_is_given_up_after_the_last_try_and_at_once_if_nobody_has_the_address(world, reader, mailed):
    give(world, "Castell", days=3)
    on_day(0)
    for _ in range(TRIES):
        later()
        Mailer().work(threading.Event())

    assert Mail.objects.get().tries == TRIES
    assert not Notice.objects.exclude(mail_at=None).exists()


def test_a_server_that_refuses_a_mail_for_now_gets_it_later(world, reader, mailed):
    give(world, "Castell", days=3)
    on_day(0)
    assert send(mailed, ["451 try again"]) == []
    later()

    assert len(send(mailed)) == 1


def test_nothing_is_mailed_without_a_wish_an_address_or_a_server(world, owner, mailed):
    no_wish = member("Supervisor", username="no_wish", email="no@example.com")
    wants_mail(owner, "")
    give(world, "Castell", days=3)
    on_day(0)
    assert Notice.objects.filter(mail_at=None).count() == Notice.objects.count() == 2

    mailed.NOTICE_MAIL = False
    User.objects.filter(pk=owner.pk).update(email="owner@example.com")
    give(world, "Dane", days=3)
    on_day(0)
    assert send(mailed) == []
    assert no_wish.notices.count() == 2


def test_what_was_read_meanwhile_or_is_no_longer_wanted_is_not_mailed(world, reader, mailed):
    give(world, "Castell", days=3)
    on_day(0)
    client_of(reader).post(f"/notifications/{Notice.objects.get().pk}/read/")
    assert send(mailed) == []

    give(world, "Dane", days=3)
    on_day(0)
    Wish.objects.update(by_mail=False)
    assert send(mailed) == []
    assert not Notice.objects.exclude(mail_at=None).exists()


def test_a_mail_has_nothing_of_a_reseller_that_its_reader_has_left(world, reader, mailed):
    give(world, "Castell", days=3)
    give(world, "Elm", days=3, reseller=world.reseller_2)
    on_day(0)
    User.objects.filter(pk=reader.pk).update(reseller=world.reseller_2)

    assert send(mailed) == []


def test_who_wants_mail_alone_has_no_notice_in_the_product(world, reader, mailed):
    Wish.objects.update(in_app=False)
    give(world, "Castell", days=3)
    on_day(0)

    assert len(send(mailed)) == 1
    assert b"No notifications yet" in client_of(reader).get("/notifications/").content


def test_times_in_a_mail_are_in_the_time_zone_of_its_reader(world, reader, mailed):
    User.objects.filter(pk=reader.pk).update(time_zone="Asia/Kathmandu")
    given = give(world, "Castell", days=3)
    on_day(0)

    (mail,) = send(mailed)
    local = given.ends_at + timedelta(hours=5, minutes=45)
    assert f"{local:%H:%M}" in mail["Subject"]


def test_a_name_with_line_breaks_makes_no_header(world, reader, mailed):
    package = Package.objects.create(reseller=world.reseller, name="A\r\nBcc: x@example.com", did_limit=1)
    client = Client.objects.create(reseller=world.reseller, name="Castell")
    facts = {"ends": [[0, client.pk, package.pk, "2026-12-08T00:00:00+00:00"]], "count": 1, "last": ""}
    writing.tell(Kind.PACKAGE_END, [User.objects.get(pk=reader.pk)], world.reseller.pk, facts)

    (mail,) = send(mailed)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("A Bcc: x@example.com of Castell")


def test_people_choose_mail_where_it_is_set_and_they_have_an_address(world, reader, mailed):
    browser = client_of(User.objects.get(pk=reader.pk))
    assert "Mail goes to owner@example.com." in browser.get("/me/").content.decode()
    browser.post("/me/", {"time_zone": "UTC", "job_by_mail": "on"})
    assert {wish.kind: (wish.in_app, wish.by_mail) for wish in Wish.objects.all()} == {
        "job": (False, True),
        "package_end": (False, False),
        "stock_low": (False, False),
    }

    User.objects.filter(pk=reader.pk).update(email="")
    page = client_of(User.objects.get(pk=reader.pk)).get("/me/").content.decode()
    assert "You have no mail address yet." in page
    assert "by_mail" not in page
    mailed.NOTICE_MAIL = False
    assert "mail address" not in client_of(User.objects.get(pk=reader.pk)).get("/me/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_while_it_sends_leaves_the_mail_to_the_next(
    world, reader, mailed, monkeypatch, tmp_path
):
    received = []
    monkeypatch.setenv("SEAL_LOG", str(tmp_path / "seals.log"))
    monkeypatch.setenv("BASE_URL", "https://did.example")
    give(world, "Castell", days=3)
    on_day(0)
    mail = mailing._claim(Notice.objects.get())  # by a worker that is killed before it sends
    Notice.objects.update(mail_at=timezone.now())

    with mail_server(received) as port:
        monkeypatch.setenv("MAIL_URL", f"smtp://127.0.0.1:{port}")
        with Nursery() as workers:
            both = [workers.start(), workers.start()]
            try:
                wait_until(lambda: Mail.objects.exclude(sent_at=None).exists())
            finally:
                for worker in both:
                    kill(worker)
    assert [one["Message-ID"].startswith(f"<notices-{mail.pk}-") for one in received] == [True]
