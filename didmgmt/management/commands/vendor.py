"""Fetch the front-end files of static/vendor, or check that they are unmodified."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

# A reference to a missing source map makes collectstatic fail.
SOURCE_MAP = re.compile(rb"\n?(/\*|//)# sourceMappingURL=[^\n]*\n?")


class Command(BaseCommand):
    help = (
        "Fetches the packages listed in static/vendor/VERSIONS.json with npm and records the hashes of "
        "their files. To change a version, edit VERSIONS.json first."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--check",
            action="store_true",
            help="only compare the files with the recorded hashes, without network access",
        )
        parser.add_argument(
            "--folder",
            type=Path,
            default=Path(settings.BASE_DIR) / "static" / "vendor",
            help="the folder of VERSIONS.json (default: %(default)s)",
        )

    def handle(self, *, check, folder, **_options):
        versions = folder / "VERSIONS.json"
        packages = json.loads(versions.read_text())["packages"]
        if check:
            problems = changed_files(folder, packages)
            if problems:
                raise CommandError("\n".join(problems))
            count = sum(len(package["files"]) for package in packages)
            self.stdout.write(f"{count} vendor files match their recorded hashes.")
            return
        for package in packages:
            fetch(package, folder)
            self.stdout.write(f"{package['name']} {package['version']}")
        versions.write_text(json.dumps({"packages": packages}, indent=2, ensure_ascii=False) + "\n")


def changed_files(folder, packages):
    """Return a sentence for each file that is missing, changed or not recorded."""
    recorded = {file["to"]: file["sha256"] for package in packages for file in package["files"]}
    problems = []
    for name, expected in recorded.items():
        path = folder / name
        if not path.exists():
            problems.append(f"{name} is missing; run “manage.py vendor” to fetch it again.")
        elif sha256(path.read_bytes()) != expected:
            problems.append(f"{name} does not match its recorded hash; run “manage.py vendor”.")
    for path in sorted(folder.iterdir()):
        if path.name != "VERSIONS.json" and path.name not in recorded:
            problems.append(f"{path.name} is not recorded in VERSIONS.json.")
    return problems


def fetch(package, folder):
    """Write the package's files into the folder and their hashes into ``package``."""
    with tempfile.TemporaryDirectory() as temporary:
        source = unpack(f"{package['name']}@{package['version']}", Path(temporary))
        package["licence"] = json.loads((source / "package.json").read_text())["license"]
        for file in package["files"]:
            if "icons" in file:
                data = sprite(source / file["from"], file["icons"], package["licence"])
            else:
                data = SOURCE_MAP.sub(b"\n", (source / file["from"]).read_bytes())
            (folder / file["to"]).write_bytes(data)
            file["sha256"] = sha256(data)


def unpack(spec, folder):
    """Download the npm package ``name@version`` and return its unpacked folder."""
    try:
        subprocess.run(
            ["npm", "pack", "--silent", "--pack-destination", folder, spec],
            check=True,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        raise CommandError("npm is needed to fetch front-end files and is not installed.") from None
    except subprocess.CalledProcessError as failure:
        raise CommandError(f"npm could not fetch {spec}: {failure.stderr.strip()}") from None
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / "package"


def sprite(source, icons, licence):
    """Return an SVG file with a <symbol> for each icon; the style sheet sets the strokes."""
    symbols = []
    for icon in sorted(icons):
        svg = (source / f"{icon}.svg").read_text()
        shapes = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL).group(1)
        lines = [line.strip() for line in shapes.splitlines() if line.strip()]
        shapes = "".join(line for line in lines if 'stroke="none"' not in line)
        symbols.append(f'<symbol id="{icon}" viewBox="0 0 24 24">{shapes}</symbol>')
    head = f'<!-- Tabler Icons, {licence} -->\n<svg xmlns="http://www.w3.org/2000/svg">\n'
    return (head + "\n".join(symbols) + "\n</svg>\n").encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()
