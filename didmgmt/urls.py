from django.urls import include, path

from api.urls import reference_urlpatterns as api_reference_urlpatterns
from didmgmt import headers, health, metrics
from screens.imports.urls import reference_urlpatterns
from screens.operators.urls import reseller_urlpatterns
from screens.overview.views import home
from screens.packages.urls import client_package_urlpatterns
from screens.people.urls import people_urlpatterns, role_urlpatterns

urlpatterns = [
    path("", home, name="home"),
    path("api/", include("api.urls")),
    path("api-reference/", include((api_reference_urlpatterns, "api_reference"))),
    path("overview/", include("screens.overview.urls")),
    path("start/", include("screens.start.urls")),
    path("dids/", include("screens.numbers.urls")),
    path("reservations/", include("screens.reservations.urls")),
    path("calendar/", include("screens.calendar.urls")),
    path("operators/", include("screens.operators.urls")),
    path("stock-levels/", include("screens.stock.urls")),
    path("rules/", include("screens.rules.urls")),
    path("clients/", include("screens.clients.urls")),
    path("packages/", include("screens.packages.urls")),
    path("client-packages/", include((client_package_urlpatterns, "client_packages"))),
    path("resellers/", include((reseller_urlpatterns, "resellers"))),
    path("audit/", include("screens.history.urls")),
    path("find/", include("screens.find.urls")),
    path("jobs/", include("screens.jobs.urls")),
    path("notifications/", include("screens.notices.urls")),
    path("blocks/", include("screens.blocks.urls")),
    path("free-runs/", include("screens.runs.urls")),
    path("webhooks/", include("screens.webhooks.urls")),
    path("", include((reference_urlpatterns, "reference"))),
    path("people/", include((people_urlpatterns, "people"))),
    path("roles/", include((role_urlpatterns, "roles"))),
    path("tokens/", include("screens.programs.urls")),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path(".well-known/security.txt", headers.security_txt, name="security_txt"),
    path("", include("screens.staff.urls")),
]
handler400 = "didmgmt.limits.handler400"
handler500 = "didmgmt.faults.handler500"
