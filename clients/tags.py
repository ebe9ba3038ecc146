"""Tag labels: the one text form in which a set of tags is kept, shown, sorted and compared."""

from django.core.exceptions import ValidationError

MAX_TAG = 50
MAX_LABEL = 1000


def split_tags(text):
    """The distinct tags in ``text`` ("vip, gold" or "vip; gold"), sorted as they are shown.

    Blanks around and inside are folded; case is kept and told apart. Raises ValidationError for a
    tag above 50 characters or a set above 1,000.
    """
    names = {" ".join(part.split()) for part in (text or "").replace(";", ",").split(",")}
    names.discard("")
    for name in names:
        if len(name) > MAX_TAG:
            raise ValidationError(
                f"The tag “{name[:20]}…” has {len(name)} characters; at most {MAX_TAG} fit."
            )
    tags = sorted(names, key=lambda name: (name.casefold(), name))
    if len(", ".join(tags)) > MAX_LABEL:
        raise ValidationError(f"These tags have more than {MAX_LABEL:,} characters together; leave some out.")
    return tags


def tag_label(tags):
    """The canonical label of an iterable of tags: sorted, joined by ", "; "" for none."""
    return ", ".join(split_tags(",".join(tags)))
