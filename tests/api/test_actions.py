"""Every action of the screens: the operations of the API that do the same, or why people alone do it.

A new action of a screen without an entry fails, and so does an operation that writes and plays none.
"""

import importlib

from api.urls import api as ninja
from tests.screens.test_access import ADDRESSES

# {action: (operations, the test that plays it by both doors, in tests/api)}
BY_BOTH = {
    "dids:new": ("create_did bulk_dids", "doors.creation"),
    "dids:detail": (
        "edit_did reserve_did put_in_stock_did archive_did restore_did",
        "doors.an_edit_of_one_number",
    ),
    "dids:mass_edit": ("bulk_dids", "doors.an_edit_of_many_numbers"),
    "dids:delete": ("delete_did bulk_dids", "doors.a_deletion_of_many_numbers"),
    "dids:assign": ("assign_did bulk_dids", "doors.an_assignment_of_many_numbers"),
    "clients:add_dids": ("assign_did bulk_dids", "doors.an_assignment_of_many_numbers"),
    "clients:activate_dids": (
        "unblock_did assign_did bulk_dids",
        "doors.a_move_of_a_number_that_a_client_has",
    ),
    "clients:block_dids": ("block_did bulk_dids", "doors.a_move_of_many_numbers_that_a_client_has"),
    "clients:hold_dids": ("hold_did bulk_dids", "doors.a_move_of_many_numbers_that_a_client_has"),
    "clients:release_dids": ("end_hold_did bulk_dids", "doors.a_move_of_many_numbers_that_a_client_has"),
    "dids:export": ("list_dids", "streams.a_csv_file_is_the_one_that_the_screen_exports"),
    "dids:import": ("bulk_rows", "rows.rows_are_written_and_refused_as_those_of_an_imported_file"),
    "dids:search": ("list_dids", "dids.a_list_has_the_rows_of_the_screen"),
    "audit:who_had_it": ("who_had_it", "past.results_equal_those_of_the_page_and_the_file"),
    "audit:who_had_it_csv": ("who_had_it", "past.results_equal_those_of_the_page_and_the_file"),
    **{
        f"{screens}_{what}" if screens == "clients:account" else f"{screens}:{what}": (
            f"{verb}_{noun}",
            f"record_writes.{test}",
        )
        for screens, noun in (
            ("operators", "operator"),
            ("resellers", "reseller"),
            ("clients", "client"),
            ("clients:account", "account"),
            ("packages", "package"),
        )
        for what, verb, test in (
            ("new", "create", "a_record_is_created_like_by_its_dialog"),
            ("edit", "edit", "a_record_is_edited_like_by_its_dialog"),
            ("delete", "delete", "a_record_in_use_is_not_deleted"),
        )
    },
    "clients:close": ("close_client", "record_writes.stopping_writes_what_the_screen_writes"),
    "clients:reopen": ("reopen_client", "record_writes.starting_writes_what_the_screen_writes"),
    "packages:archive": ("archive_package", "record_writes.stopping_writes_what_the_screen_writes"),
    "packages:restore": ("restore_package", "record_writes.starting_writes_what_the_screen_writes"),
    "clients:give": ("create_client_package", "record_writes.starting_writes_what_the_screen_writes"),
    "client_packages:activate": (
        "activate_client_package",
        "record_writes.starting_writes_what_the_screen_writes",
    ),
    "client_packages:deactivate": (
        "deactivate_client_package",
        "record_writes.stopping_writes_what_the_screen_writes",
    ),
    "client_packages:end": ("edit_client_package", "record_writes.starting_writes_what_the_screen_writes"),
    "reservations:new": (
        "create_reservation reserve_did bulk_dids",
        "doors.a_reservation_of_selected_numbers",
    ),
    "reservations:extend": (
        "extend_reservation extend_reservations",
        "doors.another_end_of_a_reservation",
    ),
    "reservations:end": ("end_reservation bulk_dids", "doors.the_end_of_a_reservation"),
    "reservations:assign": ("assign_reservation", "doors.an_assignment_of_what_is_reserved"),
    **{
        f"stock_levels:{act}": (
            f"{verb}_stock_level",
            "stock_levels.each_action_has_the_sentence_record_and_change_of_the_screen",
        )
        for act, verb in (("new", "create"), ("edit", "edit"), ("delete", "delete"))
    },
    **{
        f"rules:mark_{act}": (
            operation,
            "pattern_rules.each_action_has_the_sentence_rules_and_change_of_the_screen",
        )
        for act, operation in (
            ("new", "create_pattern_rule"),
            ("edit", "edit_pattern_rule"),
            ("move", "move_pattern_rule"),
            ("delete", "delete_pattern_rule"),
            ("words", "replace_pattern_words"),
        )
    },
    "jobs:cancel": ("cancel_job", "bulk.a_job_is_cancelled_and_an_ended_one_is_not"),
    "jobs:retry": ("retry_job", "bulk.a_cancelled_job_is_continued_and_one_that_waits_is_not"),
    **{
        f"webhooks:{action}": (
            operation,
            "webhooks.each_action_has_the_sentence_record_and_change_of_the_screen",
        )
        for action, operation in (
            ("new", "create_webhook"),
            ("edit", "edit_webhook"),
            ("delete", "delete_webhook"),
            ("rotate", "replace_secret_of_webhook"),
            ("pause", "pause_webhook"),
            ("resume", "resume_webhook"),
            ("test", "test_webhook"),
            ("replay", "replay_webhook"),
            ("replay_one", "replay_delivery"),
        )
    },
}
SETTINGS = "what a person’s own pages look like"
WIZARD = "a person maps the columns of a file and looks at the preview; programs send rows to /dids/bulk/rows"
RIGHTS = "people, roles and tokens are changed by people alone, so that no token makes or widens rights"
# {action: why people alone do it}
BY_PEOPLE = {
    "home": "leads to the page that a person begins with",
    "staff:login": "programs send a token",
    "staff:logout": "programs send a token",
    "staff:password_change": RIGHTS,
    **dict.fromkeys(["staff:me", "staff:lists", "dids:columns"], SETTINGS),
    **dict.fromkeys(
        ["dids:view_new", "dids:view_edit", "dids:view_save"], "saved views are addresses for people"
    ),
    **dict.fromkeys(
        [
            *(f"dids:import_{step}" for step in ("columns", "reading", "check", "flagged", "discard")),
            *(f"reference:{table}_import" for table in ("operators", "clients", "accounts", "packages")),
        ],
        WIZARD,
    ),
    **dict.fromkeys(
        [f"notices:{act}" for act in ("open", "read", "read_all", "job_seen")],
        "notifications are for a person to read; programs get events",
    ),
    **dict.fromkeys(
        [f"rules:{act}" for act in ("new", "edit", "accept", "remove")],
        "an administrator decides after the count of numbers that it holds back",
    ),
    **dict.fromkeys(
        [f"rules:mark_{act}" for act in ("suggested", "again")],
        "how a person begins, and helps a job that has failed; programs create rules, and change them",
    ),
    "audit:who_had_it_statement": "a page to print; its facts are those of who_had_it",
    "audit:undo": "a person decides after a preview; answers of the API have the address of that page",
    **dict.fromkeys(
        [
            *(f"people:{act}" for act in ("new", "edit", "password", "deactivate", "activate", "delete")),
            *(f"roles:{act}" for act in ("new", "edit", "delete")),
            *(f"tokens:{act}" for act in ("new", "revoke")),
            "calendar:feed",
        ],
        RIGHTS,
    ),
}


def actions():
    """Return the names of the addresses of screens that take a POST."""
    return {address.name for address in ADDRESSES if {*address.post.values()} - {"405", "login"}}


def test_each_action_of_a_screen_is_played_by_the_api_or_for_people_alone():
    assert not BY_BOTH.keys() & BY_PEOPLE.keys()
    assert BY_BOTH.keys() | BY_PEOPLE.keys() == actions()
    assert all(BY_PEOPLE.values())


def test_each_operation_that_writes_plays_an_action_of_a_screen():
    writes = {
        operation.operation_id
        for bound in ninja._get_bound_routers()
        for view in bound.path_operations.values()
        for operation in view.operations
        if {*operation.methods} - {"GET"}
    }
    played = {name for operations, _ in BY_BOTH.values() for name in operations.split()}
    assert writes <= played
    assert played - writes == {"list_dids"}


def test_each_action_names_a_test_that_plays_it_by_both_doors():
    for _, test in BY_BOTH.values():
        module, _, name = test.partition(".")
        assert callable(getattr(importlib.import_module(f"tests.api.test_{module}"), f"test_{name}")), test
