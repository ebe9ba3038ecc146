"""Packages: what resellers offer, who has it, and the end of an offer."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.db.models import F
from django.db.models.functions import Lower
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from clients.models import Package, counted
from didmgmt import dialogs
from didmgmt.listing import Listing
from didmgmt.replica import may_lag
from dids.lists import holdings
from dids.lists.client_filters import PackageFilter
from dids.models import DID, ClientPackage
from screens.choices import branch_choices
from screens.clients.forms import PackageForm
from screens.packages.client_packages import client_package_listing
from screens.packages.stopping import delete, may_stop, stop

SORTS = {
    "name": (Lower("name"), "id"),
    "id": ("id",),
    "reseller": (Lower("reseller__name"), Lower("name"), "id"),
    "limit": ("did_limit", "id"),
    "tags": ("allowed_tags", "id"),
    "days": (F("hold_days"), "id"),
    "clients": ("client_count", "id"),
    "dids": ("did_count", "id"),
    "state": (F("archived_at"), "id"),
}

may_view = permission_required("clients.view_package", raise_exception=True)
may_change = permission_required("clients.change_package", raise_exception=True)


@require_safe
@may_view
@may_lag
def package_list(request):
    return render(request, "packages/list.html", {"listing": package_listing(request)})


def package_listing(request):
    """The packages that an address asks for, of those that the person may see."""
    now = timezone.now()
    return Listing(
        request.GET,
        holdings.of_packages(Package.objects.visible_to(request.user), now),
        PackageFilter,
        user=request.user,
        path=request.path,
        sorts=SORTS,
        fetch=lambda found: holdings.of_packages(found.select_related("reseller"), now),
    )


@require_safe
@may_view
def package_detail(request, pk):
    package = _package(request, pk, holdings.of_packages(Package.objects.all(), timezone.now()))
    listing = client_package_listing(request, ClientPackage.objects.filter(package=package))
    return render(request, "packages/detail.html", {"package": package, "listing": listing})


@dialogs.view
@permission_required("clients.add_package", raise_exception=True)
def package_new(request):
    return _dialog(request, Package())


@dialogs.view
@may_change
def package_edit(request, pk):
    return _dialog(request, _package(request, pk))


def _dialog(request, package):
    pages = [reverse("packages:detail", args=[package.pk])] if package.pk else []
    return dialogs.record(
        request,
        PackageForm,
        package,
        back_url=dialogs.back_to(request, reverse("packages:list"), *pages),
        edit_url=lambda saved: reverse("packages:edit", args=[saved.pk]),
        title="New Package",
    )


@dialogs.view
@permission_required("clients.delete_package", raise_exception=True)
def package_delete(request, pk):
    advice = "Their history needs it. Archive it instead: nobody gets it any more, and it stays readable."
    return delete(request, _package(request, pk), listed=reverse("packages:list"), advice=advice)


@dialogs.view
@may_change
@may_stop
def package_archive(request, pk):
    package = _package(request, pk)
    listed, page = reverse("packages:list"), reverse("packages:detail", args=[package.pk])
    return stop(
        request,
        DID.objects.filter(client_package__package=package, client_package__active=True),
        lambda: ClientPackage.archive_package(package, by=request.user),
        title=f"Archive {package}",
        about="It stops for all clients that have it, and can't be given until it is restored.",
        verb="Archive",
        done=f"Package {package} is archived.",
        back_url=dialogs.back_to(request, listed, page),
    )


@require_POST
@may_change
@may_stop
def package_restore(request, pk):
    package = _package(request, pk)
    if ClientPackage.reopen(package, by=request.user):
        off = package.client_packages.filter(active=False).count()
        rest = (
            f" It stays off with {counted(off, 'client')} until somebody activates it there." if off else ""
        )
        messages.success(request, f"Package {package} is on offer again.{rest}")
    else:
        messages.info(request, f"Package {package} is on offer already.")
    return redirect("packages:detail", package.pk)


@require_safe
@may_view
def package_choices(request):
    return branch_choices(request, Package)


def _package(request, pk, packages=None):
    packages = Package.objects.all() if packages is None else packages
    return get_object_or_404(packages.visible_to(request.user).select_related("reseller"), pk=pk)
