"""One rule for names that become files: no name and no link leads out of a folder, on any system."""

import pytest

from align_eval.errors import InputError
from align_eval.formats.atomic import check_name, inside, is_file_name


@pytest.mark.parametrize(
    "name",
    [
        "a", "speaker/clip 1", "é\u00a0\u3000x", "яма", "a.", " a ", "a..b", ".hidden", "run.json", "x" * 239, "NUL-1",
        "\U0001f600", "e\u0301",
    ],
)  # fmt: skip
def test_a_name_that_stays_in_its_folder_is_taken(name, tmp_path):
    assert check_name("here", name) == name
    inside(tmp_path, name).parent.mkdir(parents=True, exist_ok=True)
    inside(tmp_path, name).write_text(name)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 1


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", "../a", "a/../../b", "/a", "//a/b", "a//b", "a/", "a/.", "./a", "C:a", "C:\\a", "..\\a", "a\\b",
        "a\nb", "a\rb", "a\0b", "\x1b[2J", "a\x7f", "a\x85", "a\u2028b", "a\u2029b", "caf\udce9", "\ud800", "x" * 240,
        "é" * 120, "x/" * 600 + "x", ".. ", ". ./a", "...", " ", "a/ /b", None, 5, ["a"], b"a",
    ],
)  # fmt: skip
def test_a_name_that_leads_out_or_that_some_system_lacks_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=r"here: the name .* cannot name a file; use letters"):
        check_name("here", name)
    with pytest.raises(InputError):
        inside(tmp_path, name)
    assert not (isinstance(name, str) and is_file_name(name))
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_leads_out_is_refused_and_one_that_stays_is_not(tmp_path):
    (tmp_path / "root" / "real").mkdir(parents=True)
    for name, target in (("out", tmp_path), ("up", ".."), ("gone", tmp_path / "gone"), ("stays", "real")):
        (tmp_path / "root" / name).symlink_to(target)
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    for root in (tmp_path / "root", tmp_path / "alias"):  # the folder that is named may be a link itself
        for name in ("out/a", "up/a", "gone/a", "gone/b/a", "stays/../out/a"):
            with pytest.raises(InputError):
                inside(root, name)
        assert inside(root, "stays/a") == root / "stays" / "a"
        assert inside(root, "new/deep/a") == root / "new" / "deep" / "a"
