import pytest

from workbench.errors import BadInput, Refusal, did_you_mean, veil


def test_the_message_is_one_line_with_file_field_found_expected():
    error = BadInput("E-DCM-001", file="a.dcm", field="PixelData", found="3 bytes\nx", expected="8")
    assert str(error) == "E-DCM-001 a.dcm: PixelData has 3 bytes\\nx, expected 8; quarantined."


def test_messages_are_cut():
    assert len(str(Refusal("E-CFG-001", file="f", field="x" * 900, found=1, expected=2))) == 500


def test_control_characters_cannot_reach_a_terminal():
    message = str(BadInput("E-MAN-015", file="\x1b[31mred", field="f", found="\x07", expected="x"))
    assert "\x1b" not in message
    assert "\x07" not in message


@pytest.mark.parametrize(("word", "hint"), [("epoch", "; did you mean 'epochs'?"), ("zzz", "")])
def test_a_near_word_is_offered(word, hint):
    assert did_you_mean(word, ["epochs", "dim"]) == hint


def test_a_person_is_veiled():
    assert veil("Doe^Jane") == "<text, 8 characters>"
