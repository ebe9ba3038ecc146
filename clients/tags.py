"""Tag labels: the canonical text of a set of tags, used to store, show, sort and compare it.

Tags that differ only in case, or in the width or style of letters, are one tag (``clients.names.fold``): the
installation keeps the spelling that it got first.
"""

from django.core.exceptions import ValidationError

from clients.names import clean_name, fold

MAX_TAG = 50
MAX_LABEL = 1000


def split_tags(text):
    """Return the distinct tags in ``text`` ("vip, gold" or "vip; gold"), sorted as shown.

    Of two spellings of a tag the first one counts. Raises ValidationError for a tag above 50 characters or a
    set above 1,000.
    """
    tags = {}
    for part in clean_name(text or "").replace(";", ",").split(","):
        name = part.strip()
        if len(name) > MAX_TAG:
            raise ValidationError(
                f"The tag “{name[:20]}…” has {len(name)} characters. The limit is {MAX_TAG}."
            )
        if name:
            tags.setdefault(fold(name), name)
    if len(", ".join(tags.values())) > MAX_LABEL:
        raise ValidationError(f"These tags have more than {MAX_LABEL:,} characters together. Remove some.")
    return [tags[key] for key in sorted(tags)]


def tag_label(tags):
    """Return the canonical label of an iterable of tags: sorted, joined by ", "; "" for none."""
    return ", ".join(split_tags(",".join(tags)))


def tag_keys(text):
    """Return the set of keys by which the tags in ``text`` are compared."""
    return set(map(fold, split_tags(text)))
