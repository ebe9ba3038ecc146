from django.db import models
from django.utils import timezone


class SentForm(models.Model):
    """A form that has been carried out, see ``didmgmt.form_tokens``.

    ``key``: hash of its token, sender and content. ``location``: the URL of its result, "" until the request
    has finished. ``sentence``: the messages that the first request showed.
    """

    key = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField(default=timezone.now, db_index=True)
    location = models.TextField(blank=True)
    sentence = models.TextField(blank=True)

    class Meta:
        default_permissions = ()

    def __str__(self):
        return self.key
