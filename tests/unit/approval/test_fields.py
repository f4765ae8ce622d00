"""What a form has sent is shown again, with what does not fit beside it."""

import pytest

from placet_approval.inbox.fields import Fields


def test_what_was_typed_stays() -> None:
    """As it was; what was not sent is empty, or the default."""
    fields = Fields({"name": " Ana "}, days="90")

    assert (fields["name"], fields.text("name"), fields["days"], fields["owner"]) == (" Ana ", "Ana", "90", "")


def test_lists_are_parted_as_people_part_them() -> None:
    """By spaces, lines, commas or semicolons."""
    assert Fields({"members": "ana, bo;cy\ndee  eve,"}).words("members") == ["ana", "bo", "cy", "dee", "eve"]


def test_the_first_error_of_a_field_counts() -> None:
    """As a sentence."""
    fields = Fields({"days": "x"})

    assert fields.read("days", int, ValueError) is None
    fields.wrong("days", "another")
    fields.wrong("name", "say who.")
    assert fields.errors["days"].startswith("Invalid literal for int()")
    assert fields.errors["name"] == "Say who."


def test_only_what_is_expected_is_said() -> None:
    """Anything else goes on up."""
    fields = Fields()
    with fields.beside("name", KeyError):
        raise KeyError("x")
    with pytest.raises(ValueError, match="unexpected"), fields.beside("name", KeyError):
        raise ValueError("unexpected")
    assert list(fields.errors) == ["name"]
