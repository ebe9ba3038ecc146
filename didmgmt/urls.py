from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from didmgmt import health
from dids.urls import reference_urlpatterns

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="dids:list"), name="home"),
    path("dids/", include("dids.urls")),
    path("operators/", include("operators.urls")),
    path("jobs/", include("jobs.urls")),
    path("", include((reference_urlpatterns, "reference"))),
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("", include("staff.urls")),
]
