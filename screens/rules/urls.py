from django.urls import path

from screens.rules import marks, views

app_name = "rules"

urlpatterns = [
    path("", views.rule_list, name="list"),
    path("breaches/", views.breach_export, name="breaches"),
    path("new/", views.rule_new, name="new"),
    path("marks/new/", marks.mark_new, name="mark_new"),
    path("marks/words/", marks.mark_words, name="mark_words"),
    path("marks/suggested/", marks.mark_suggested, name="mark_suggested"),
    path("marks/again/", marks.mark_again, name="mark_again"),
    path("marks/<int:pk>/", marks.mark_edit, name="mark_edit"),
    path("marks/<int:pk>/delete/", marks.mark_delete, name="mark_delete"),
    path("marks/<int:pk>/move/", marks.mark_move, name="mark_move"),
    path("<int:pk>/", views.rule_edit, name="edit"),
    path("<int:pk>/accept/", views.rule_accept, name="accept"),
    path("<int:pk>/remove/", views.rule_remove, name="remove"),
]
