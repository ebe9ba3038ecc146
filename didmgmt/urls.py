from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from didmgmt import health
from dids.urls import (
    audit_urlpatterns,
    client_package_urlpatterns,
    client_urlpatterns,
    package_urlpatterns,
    reference_urlpatterns,
    reseller_urlpatterns,
)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="dids:list"), name="home"),
    path("dids/", include("dids.urls")),
    path("operators/", include("operators.urls")),
    path("clients/", include((client_urlpatterns, "clients"))),
    path("packages/", include((package_urlpatterns, "packages"))),
    path("client-packages/", include((client_package_urlpatterns, "client_packages"))),
    path("resellers/", include((reseller_urlpatterns, "resellers"))),
    path("audit/", include((audit_urlpatterns, "audit"))),
    path("jobs/", include("jobs.urls")),
    path("", include((reference_urlpatterns, "reference"))),
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("", include("staff.urls")),
]
