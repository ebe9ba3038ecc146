from unicodedata import normalize

from django.db import migrations


def merge_tags(apps, _schema_editor):
    """Fill the keys, and let the first of several tags with one key have the sets of the others.

    The sets keep their labels, because history refers to them.
    """
    first = {}
    for tag in apps.get_model("dids", "Tag").objects.order_by("pk"):
        folded = normalize("NFKC", normalize("NFKC", tag.name).casefold()).casefold()
        key = " ".join(folded.split())
        if first.setdefault(key, tag) is tag:
            tag.key = key
            tag.save(update_fields=["key"])
        else:
            first[key].sets.add(*tag.sets.all())
            tag.delete()


class Migration(migrations.Migration):
    dependencies = [("dids", "0003_tag_key")]

    operations = [migrations.RunPython(merge_tags, migrations.RunPython.noop)]
