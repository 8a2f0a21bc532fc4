import os

import pytest

from workbench.errors import BadInput
from workbench.paths import resolve_inside


@pytest.mark.parametrize(
    "name",
    ["../secret.txt", "a/../../secret.txt", "/etc/passwd", "C:\\x", "\\\\host\\share", "//host/x",
     "http://x/y", "file:///etc/passwd", "a\0b"],
)  # fmt: skip
def test_what_leaves_the_root_is_refused_and_not_opened(tmp_path, name):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    with pytest.raises(BadInput) as caught:
        resolve_inside(name, root)
    assert caught.value.code == "E-MAN-015"


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.txt").write_text("x")
    os.symlink(tmp_path / "secret.txt", root / "link")
    with pytest.raises(BadInput, match="E-MAN-015"):
        resolve_inside("link", root)


def test_each_way_to_be_unreadable_has_its_words(tmp_path):
    (tmp_path / "empty").touch()
    os.symlink(tmp_path / "nowhere", tmp_path / "broken")
    for name, words in [("none", "no such file"), ("empty", "0 bytes"), ("broken", "broken link")]:
        with pytest.raises(BadInput, match=words):
            resolve_inside(name, tmp_path)


def test_a_path_inside_is_resolved(tmp_path):
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b" / "x.dcm").write_text("x")
    assert resolve_inside("a b/x.dcm", tmp_path) == (tmp_path / "a b" / "x.dcm").resolve()
    assert resolve_inside(str(tmp_path / "a b" / "x.dcm"), None).name == "x.dcm"
