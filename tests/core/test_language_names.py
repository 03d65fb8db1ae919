"""Names of languages: every name and code of one language is Whisper's code."""

import pytest

from align_eval.errors import InputError
from align_eval.language_names import NAMES, check_language, whisper_code


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("en", ["English", "english", "ENGLISH", "en", "eng", "en-US", "en_GB.UTF-8", "English (US)", " en "]),
        ("de", ["German", "deu", "ger", "Deutsch", "de-AT"]),  # ISO 639-2 has two codes, for terms and for libraries
        ("zh", ["zh-Hans-CN", "cmn", "mandarin", "中文"]),
        ("yue", ["yue", "zh-yue", "Cantonese"]),
        ("he", ["he", "iw"]),  # iw, in and ji are the codes of before 1989
        ("jw", ["jw", "jv", "jav", "Javanese"]),  # Whisper's code of Javanese is none of ISO 639
        ("no", ["nb", "nob", "no"]),
        ("nn", ["nn", "nno", "nynorsk"]),
        ("my", ["Burmese", "myanmar"]),
        ("ht", ["Haitian Creole", "haitian"]),
    ],
)
def test_every_name_of_a_language_is_its_code(code, names):
    assert {name: whisper_code(name) for name in names} == dict.fromkeys(names, code)
    assert {name: check_language(name, "x") for name in names} == dict.fromkeys(names, code)


def test_no_name_is_of_two_languages():
    names = [name for code, names in NAMES.items() for name in {code, *names}]  # "lao" is a name and a code of Lao
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", [None, "", "und", "Unknown"])
def test_a_language_that_is_not_stated_is_none(name):
    assert check_language(name, "x") is None


def test_auto_stays():
    assert check_language("auto", "x") == "auto"


@pytest.mark.parametrize(
    ("name", "nearest"), [("Englsh", r"did you mean English \(en\)"), ("123", "use a code such as en, or a name")]
)
def test_an_unknown_name_is_refused_with_the_nearest(name, nearest):
    with pytest.raises(InputError, match=rf"^--language: Whisper knows no language '{name}'; {nearest}"):
        check_language(name, "--language")
    assert whisper_code(name) is None
