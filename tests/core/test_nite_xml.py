"""XML with a document type is refused before anything is expanded; other XML is read, or refused with its fault."""

import pytest

from align_eval.errors import InputError
from align_eval.formats.nite_xml import parse_xml, word_entries

BILLION_LAUGHS = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY lol "lol">%s]>
<nite:root xmlns:nite="http://nite.sourceforge.net/"><w starttime="0" endtime="1">&lol9;</w></nite:root>
""" % b"".join(
    b'<!ENTITY lol%d "%s">' % (i, b"&lol%d;" % (i - 1) * 10 if i > 1 else b"&lol;" * 10) for i in range(1, 10)
)

ENTITIES = {
    "billion laughs": BILLION_LAUGHS,
    "quadratic": b"<!DOCTYPE x [<!ENTITY a '%s'>]><x>%s</x>" % (b"a" * 50_000, b"&a;" * 50_000),
    "a file": b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'>]><x><w starttime='0' endtime='1'>&a;</w></x>",
    "an address": b"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'><x/>",
    "a parameter": b"<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/hostname'> %a;]><x/>",
    "in UTF-16": "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>".encode("utf-16"),
    "an empty type": b"<!DOCTYPE x><x/>",
}


@pytest.mark.parametrize("data", ENTITIES.values(), ids=ENTITIES.keys())
def test_document_types_are_refused_before_anything_is_expanded(data):
    with pytest.raises(InputError, match=r"a\.xml: has a document type or entities; remove"):
        parse_xml(data, "a.xml")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"<x>&undeclared;</x>", "undefined entity"),
        (b"<x>", "no element found"),
        (b"", "no element found"),
        (b"<?xml version='1.0' encoding='klingon'?><x/>", "klingon"),
        (b"<a>" * 200_000, "not well-formed XML"),
    ],
)
def test_what_is_no_xml_is_refused(data, problem):
    with pytest.raises(InputError, match=rf"a\.xml: is not well-formed XML .*{problem}|{problem}"):
        parse_xml(data, "a.xml")


def test_deep_nesting_is_read_or_refused_and_never_crashes():
    data = b"<a>" * 300_000 + b"</a>" * 300_000
    try:
        assert list(word_entries(parse_xml(data, "a.xml"), "a.xml"))
    except InputError as error:
        assert "is not well-formed XML" in error.problem  # noqa: PT017 (raising is allowed here, not required)
