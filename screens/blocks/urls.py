from django.urls import path

from screens.blocks import views

app_name = "blocks"

urlpatterns = [path("", views.block_map, name="map")]
