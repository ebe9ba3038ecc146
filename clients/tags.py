"""Tag labels: the canonical text of a set of tags, used to store, show, sort and compare it."""

from django.core.exceptions import ValidationError

MAX_TAG = 50
MAX_LABEL = 1000


def split_tags(text):
    """Return the distinct tags in ``text`` ("vip, gold" or "vip; gold"), sorted as shown.

    Runs of blanks are collapsed; tags are case-sensitive. Raises ValidationError for a tag above 50
    characters or a set above 1,000.
    """
    names = {" ".join(part.split()) for part in (text or "").replace(";", ",").split(",")}
    names.discard("")
    for name in names:
        if len(name) > MAX_TAG:
            raise ValidationError(
                f"The tag “{name[:20]}…” has {len(name)} characters. The limit is {MAX_TAG}."
            )
    tags = sorted(names, key=lambda name: (name.casefold(), name))
    if len(", ".join(tags)) > MAX_LABEL:
        raise ValidationError(f"These tags have more than {MAX_LABEL:,} characters together. Remove some.")
    return tags


def tag_label(tags):
    """Return the canonical label of an iterable of tags: sorted, joined by ", "; "" for none."""
    return ", ".join(split_tags(",".join(tags)))
