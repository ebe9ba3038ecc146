from django.urls import path

from screens.programs import tokens

app_name = "tokens"

urlpatterns = [
    path("", tokens.token_list, name="list"),
    path("new/", tokens.token_new, name="new"),
    path("<int:pk>/revoke/", tokens.token_revoke, name="revoke"),
]
