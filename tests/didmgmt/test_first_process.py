"""A file that several processes share is made by the first of them."""

import stat

from didmgmt.first_process import read_or_make


def test_a_missing_file_is_made_and_read_from_then_on(tmp_path):
    path = tmp_path / "var" / "key"
    assert read_or_make(path, lambda: "first\n", 0o600) == "first"
    assert read_or_make(path, lambda: "second\n", 0o600) == "first"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_process_that_is_overtaken_reads_what_the_other_one_made(tmp_path):
    path = tmp_path / "key"

    def be_overtaken():
        path.write_text("theirs")
        return "ours"

    assert read_or_make(path, be_overtaken, 0o600) == "theirs"
    assert list(tmp_path.iterdir()) == [path]
