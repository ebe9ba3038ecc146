"""Packages: the list and its dialogs, one package, archiving and restoring."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clients.filters import PackageFilter
from clients.models import Package
from didmgmt import clock, dialogs
from didmgmt.replica import may_lag
from didmgmt.text import count_noun
from dids.forms.packages import PackageForm
from dids.lists import row_counts
from dids.models import DID, ClientPackage
from screens.answers import announce
from screens.packages.client_packages import client_package_listing
from screens.packages.stopping import may_stop, stop
from screens.records import Records, record_choices

PACKAGES = Records(
    model=Package,
    form=PackageForm,
    filterset=PackageFilter,
    sorts={
        "name": (Lower("name"), "id"),
        "id": ("id",),
        "reseller": (Lower("reseller__name"), Lower("name"), "id"),
        "limit": ("did_limit", "id"),
        "tags": ("allowed_tags", "id"),
        "days": (F("hold_days"), "id"),
        "clients": ("client_count", "id"),
        "dids": ("all_dids", "id"),
        "state": (F("archived_at"), "id"),
    },
    rows=row_counts.with_package_counts,
    list_url=lambda package: reverse("packages:list"),
    pages=lambda package: [reverse("packages:detail", args=[package.pk])] if package.pk else [],
    edit_url=lambda package: reverse("packages:edit", args=[package.pk]),
    delete_advice=lambda package: (
        "Their history needs it. Archive it instead: it can’t be given any more and stays readable."
    ),
)

may_view = permission_required("clients.view_package", raise_exception=True)
may_change = permission_required("clients.change_package", raise_exception=True)


@require_safe
@may_view
@may_lag
def package_list(request):
    return render(request, "packages/list.html", {"listing": PACKAGES.listing(request)})


@require_safe
@may_view
def package_detail(request, pk):
    packages = row_counts.with_package_counts(PACKAGES.visible_to(request.user), clock.now())
    package = get_object_or_404(packages, pk=pk)
    listing = client_package_listing(request, ClientPackage.objects.filter(package=package))
    return render(request, "packages/detail.html", {"package": package, "listing": listing})


@dialogs.view
@permission_required("clients.add_package", raise_exception=True)
def package_new(request):
    return PACKAGES.save(request, Package())


@dialogs.view
@may_change
def package_edit(request, pk):
    return PACKAGES.save(request, PACKAGES.get(request, pk))


@dialogs.view
@permission_required("clients.delete_package", raise_exception=True)
def package_delete(request, pk):
    return PACKAGES.delete(request, PACKAGES.get(request, pk))


@dialogs.view
@may_change
@may_stop
def package_archive(request, pk):
    package = PACKAGES.get(request, pk)
    return stop(
        request,
        package.client_packages.filter(active=True),
        DID.objects.filter(client_package__package=package, client_package__active=True),
        lambda: ClientPackage.archive_package(package, by=request.user),
        title=f"Archive {package}",
        about="It stops for all clients that have it and can’t be given until you restore it.",
        verb="Archive",
        done=f"Package {package} archived.",
        back_url=dialogs.back_to(request, reverse("packages:list"), *PACKAGES.pages(package)),
    )


@require_POST
@may_change
@may_stop
def package_restore(request, pk):
    package = PACKAGES.get(request, pk)
    if ClientPackage.reopen(package, by=request.user):
        off = package.client_packages.filter(active=False).count()
        still_off = f" Still switched off for {count_noun(off, 'client')}." if off else ""
        announce(request, f"Package {package} restored.{still_off}")
    else:
        messages.info(request, f"Package {package} is not archived.")
    return redirect("packages:detail", package.pk)


@require_safe
@may_view
def package_choices(request):
    return record_choices(request, Package)
