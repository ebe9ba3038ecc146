from django.core.management import BaseCommand

from didmgmt import keys


class Command(BaseCommand):
    help = (
        "Make SECRET_KEY and SEAL_KEY of this host those of the installation. Hosts with others then say so"
        " on /readyz and refuse to start."
    )

    def handle(self, *args, **options):
        changed = keys.differing()
        keys.accept()
        if changed:
            self.stdout.write(f"{' and '.join(changed)} accepted. Set the same on all other hosts.")
        else:
            self.stdout.write("The keys of this host are those of the installation.")
