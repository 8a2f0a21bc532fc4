import pytest

from workbench.errors import Refusal
from workbench.yaml12 import load_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: 1\na: 2\n", "E-CFG-002"),
        ("a: !!python/object/apply:os.system [ls]\n", "E-CFG-005"),
        ("a: &x 1\nb: *x\n", "E-CFG-006"),
        ("base: {a: 1}\nb: {<<: 3}\n", "E-CFG-006"),
        ("[" * 5000, "E-CFG-007"),
        ("#" * (1 << 20) + "\na: 1", "E-CFG-008"),
        ("a:\n\t- b\n", "E-CFG-014"),
        (b"\xff\xfe\x00", "E-CFG-014"),
        ("a: [1\n", "E-CFG-014"),
        ("a: 1\n---\nb: 2\n", "E-CFG-015"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_place(text, code):
    with pytest.raises(Refusal) as caught:
        load_yaml(text, "p.yaml")
    assert caught.value.code == code
    assert caught.value.file.startswith("p.yaml:")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1.0e-3", 1e-3), ("no", "no"), ("yes", "yes"), ("on", "on"), ("True", True),
        ("0x1f", 31), ("0o17", 15), ("12:30:45", "12:30:45"), ("1.10", 1.1), ("'1'", "1"),
        ("~", None), ("", None), ("null", None), (".5", 0.5), ("-3", -3), ("1_000", "1_000"),
        ("${HOME}", "${HOME}"), ("2020-01-01", "2020-01-01"),
    ],
)  # fmt: skip
def test_scalars_follow_yaml_1_2(text, value):
    found = load_yaml(f"a: {text}\n", "p.yaml")["a"]
    assert found == value
    assert type(found) is type(value)


def test_bom_and_crlf_are_accepted():
    assert load_yaml(b"\xef\xbb\xbfa: 1\r\nb: [2, 3]\r\n", "p.yaml") == {"a": 1, "b": [2, 3]}


def test_places_point_at_keys():
    document = parse_yaml("a:\n  b: 1\n  c: [x, y]\n", "p.yaml")
    assert document.place(("a", "b")) == "p.yaml:2:3"
    assert document.place(("a", "c", 1)) == "p.yaml:3:10"
    assert document.place(("a", "missing", "deeper")) == "p.yaml:1:1"
