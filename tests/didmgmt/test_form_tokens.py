"""Carry out a form once: what counts as the same form, files, jobs, concurrent requests."""

import re
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.models import Change
from clients.models import Client
from didmgmt.form_tokens import ALREADY, FIELD, KEPT
from didmgmt.models import SentForm
from dids.models import DID, ClientPackage
from jobs.models import SMALL, Job
from jobs.periodic import run_periodic_tasks
from tests.imports import DEFAULTS
from tests.world import client_of, make_world, member


def post(browser, path, fields, **extra):
    return browser.post(path, fields | {FIELD: "from-the-page"}, **extra)


def sentences(browser):
    return re.sub(r"\s+", " ", browser.get("/password/").content.decode())


# --- forms whose work is long, or that contain a file ---------------------------------------------


def upload(browser, number):
    file = SimpleUploadedFile("numbers.csv", f"DID\n{number}\n".encode())
    return post(browser, "/dids/import/", DEFAULTS | {"file": file})


def test_an_import_is_started_once_and_stores_one_file(world, clerk, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    browser = client_of(clerk)
    first, again = upload(browser, "778899"), upload(browser, "778899")
    assert first.url == again.url == reverse("dids:import_columns", args=[Job.objects.get().pk])
    assert len([*tmp_path.rglob("*.csv")]) == 1


def test_another_file_with_the_same_name_and_size_is_another_import(world, clerk):
    browser = client_of(clerk)
    upload(browser, "778899")
    upload(browser, "778898")
    assert Job.objects.count() == 2


@pytest.mark.parametrize("what", ["create", "mass edit"])
def test_a_large_form_becomes_one_job(world, clerk, what):
    fields = {"numbers": f"5000000-{5000000 + SMALL}", "operator": world.operator.pk, "status": "instock"}
    fields |= {"after_hold": "instock"}
    browser, path = client_of(clerk), "/dids/new/"
    if what == "mass edit":
        DID.objects.create_numbers(
            [str(n) for n in range(6_000_000, 6_000_001 + SMALL)], operator=world.operator, by=clerk
        )
        path, fields = (
            "/dids/mass-edit/",
            {"scope": "all", "query": f"q=6000000-{6_000_000 + SMALL}", "step": "apply"},
        )
        fields |= {"change_notes": "on", "notes": "seen", "expected": str(SMALL + 1)}
    first, again = (post(browser, path, fields) for _ in range(2))
    job = Job.objects.get()
    assert first.url == again.url == job.get_absolute_url()


# --- what counts as the same form -----------------------------------------------------------------


def new_client(browser, world, name="Lily", **extra):
    return post(browser, "/clients/new/", {"name": name, "reseller": world.reseller.pk}, **extra)


def test_the_message_of_the_first_request_is_shown_again(world, provisioner):
    browser = client_of(provisioner)
    new_client(browser, world)
    browser.get("/password/")
    assert new_client(browser, world).url == f"/clients/{Client.objects.get(name='Lily').pk}/"
    assert f"{ALREADY} Client Lily saved." in sentences(browser)


def test_a_form_that_was_changed_before_it_is_sent_again_is_carried_out(world, provisioner):
    browser = client_of(provisioner)
    new_client(browser, world)
    new_client(browser, world, name="Rosalind")
    assert set(Client.objects.values_list("name", flat=True)) >= {"Lily", "Rosalind"}


def test_a_token_is_worth_nothing_to_another_user(world, provisioner, supervisor):
    gift = {"package": world.package.pk, "starts_at": "2026-01-10T09:00"}
    for user in (provisioner, supervisor):
        post(client_of(user), f"/clients/{world.client.pk}/give/", gift)
    assert ClientPackage.objects.count() == 3


def test_a_refused_form_can_be_sent_again(world, provisioner):
    browser = client_of(provisioner)
    Client.objects.create(reseller=world.reseller, name="Lily")
    assert new_client(browser, world).status_code == 422
    Client.objects.filter(name="Lily").delete()
    assert new_client(browser, world).status_code == 302
    assert Client.objects.filter(name="Lily").exists()


def test_apply_sent_twice_leads_to_the_new_record(world, provisioner):
    browser = client_of(provisioner)
    fields = {"name": "Lily", "reseller": world.reseller.pk, "apply": "1"}
    assert post(browser, "/clients/new/", fields).status_code == 200
    again = post(browser, "/clients/new/", fields, headers={"HX-Request": "true"})
    assert again.headers["HX-Redirect"] == f"/clients/{Client.objects.get(name='Lily').pk}/edit/"


def test_a_form_costs_two_queries(world, provisioner):
    browser, counts = client_of(provisioner), []
    for name, token in (("Lily", {}), ("Rosalind", {FIELD: "t1"})):
        with CaptureQueriesContext(connection) as queries:
            browser.post("/clients/new/", {"name": name, "reseller": world.reseller.pk} | token)
        counts.append(len(queries))
    assert counts[1] == counts[0] + 2


# --- at the same time -----------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_give_one_package():
    world, provisioner = make_world(), member("Provisioner")
    fields = {"package": world.package.pk, "starts_at": "2026-01-10T09:00"}
    browsers, answers, start = [client_of(provisioner) for _ in range(2)], [], threading.Barrier(2)

    def send(browser):
        start.wait()
        answers.append(post(browser, f"/clients/{world.client.pk}/give/", fields))
        connection.close()

    threads = [threading.Thread(target=send, args=[browser]) for browser in browsers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {302}
    assert len({answer.url for answer in answers}) == 1
    assert ClientPackage.objects.count() == 2
    assert Change.objects.filter(label__contains="Basic", actor=provisioner).count() == 1
    assert sum(ALREADY in sentences(browser) for browser in browsers) == 1


def test_old_forms_are_forgotten(world, provisioner):
    new_client(client_of(provisioner), world)
    now = timezone.now()
    assert run_periodic_tasks(now)[0].get("forget old forms") is None
    assert run_periodic_tasks(now + KEPT + timedelta(seconds=1))[0]["forget old forms"] == 1
    assert not SentForm.objects.exists()
