"""Packages: the list and its dialogs, one package, archiving and restoring."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from clients.models import Package
from didmgmt import clock, dialogs
from didmgmt.replica import may_lag
from dids.forms.packages import PackageForm
from dids.lists import records, row_counts
from dids.models import ClientPackage
from dids.packages import archive_package, reopened
from screens.answers import announce
from screens.packages.client_packages import client_package_listing
from screens.packages.stopping import may_stop, stop
from screens.records import Records, record_choices

PACKAGES = Records(
    list=records.PACKAGES,
    form=PackageForm,
    list_url=lambda package: reverse("packages:list"),
    pages=lambda package: [reverse("packages:detail", args=[package.pk])] if package.pk else [],
    edit_url=lambda package: reverse("packages:edit", args=[package.pk]),
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
    packages = row_counts.with_package_counts(records.PACKAGES.visible_to(request.user), clock.now())
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
        archive_package(package),
        title=f"Archive {package}",
        about="It stops for all clients that have it and can’t be given until you restore it.",
        verb="Archive",
        back_url=dialogs.back_to(request, reverse("packages:list"), *PACKAGES.pages(package)),
    )


@require_POST
@may_change
@may_stop
def package_restore(request, pk):
    package = PACKAGES.get(request, pk)
    was_archived = ClientPackage.reopen(package, by=request.user)
    sentence = reopened(package, was_archived)
    if was_archived:
        announce(request, sentence)
    else:
        messages.info(request, sentence)
    return redirect("packages:detail", package.pk)


@require_safe
@may_view
def package_choices(request):
    return record_choices(request, Package)
