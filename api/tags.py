"""Tags of numbers."""

from ninja import Router

from api.access import needs_scope
from api.fields import TEXT, WHOLE, Field, Fields
from api.resources import Resource
from dids.lists import records

router = Router(tags=["Tags"])

TAG = Fields(
    "Tag",
    [
        Field("id", lambda row: row.pk, WHOLE, "Its id", 2),
        Field("name", lambda row: row.name, TEXT, "Its name, as it was first spelled", "gold"),
    ],
)
TAGS = Resource(records.TAGS, TAG, "tag", "tags", needs_scope("tags", "read"))
TAGS.register(router)
