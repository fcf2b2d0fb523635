"""CAP of others: what real senders wrote is read whole, and what is wrong or an attack is refused at once."""

import resource
import time
from pathlib import Path

import pytest

from city_brain.errors import CapError
from city_brain.formats.cap.alert import Circle, NamedValue, Reference
from city_brain.formats.cap.hostile import DEEPEST, MOST_BYTES, MOST_ELEMENTS
from city_brain.formats.cap.reading import read_alert
from city_brain.formats.cap.writing import write_alert
from tests.formats.samples import WARNING, warning

REFUSED_WITHIN_S = 0.1
MOST_GROWTH_KB = 100_000


@pytest.mark.parametrize(
    ("name", "infos", "areas"),
    [("canada.cap", 2, 4), ("earthquake.cap", 1, 1), ("weather.cap", 1, 1), ("no_optional_fields.cap", 0, 0)],
)
def test_what_real_senders_wrote_is_read_and_survives_being_written(
    shared: Path, name: str, infos: int, areas: int
) -> None:
    alert = read_alert((shared / "data/cap" / name).read_bytes())
    assert (len(alert.infos), sum(len(info.areas) for info in alert.infos)) == (infos, areas)
    assert read_alert(write_alert(alert)) == alert


def test_the_parts_of_a_real_update_are_told(shared: Path) -> None:
    """References, codes, parameters, polygons and codes of areas as they stand in the file."""
    alert = read_alert((shared / "data/cap/canada.cap").read_bytes())
    assert (alert.message_type, alert.scope, alert.restriction, len(alert.codes)) == ("Update", "Public", "", 3)
    assert alert.references[1] == Reference("cap@ec.gc.ca", "2.49.0.1.124.60f31a3a.2012", "2012-05-02T21:55:21-00:00")
    english, french = alert.infos
    assert (english.language, french.language) == ("en-CA", "fr-CA")
    assert english.event_codes[1] == NamedValue("SAME", "SVA")
    assert english.areas[0].polygons[0][0] == (42.3481, -82.9314)
    assert len(english.areas[1].geocodes) == 3
    assert french.areas[0].description == "Windsor - Leamington - comté d'Essex"


def test_a_real_earthquake_has_its_circle(shared: Path) -> None:
    [info] = read_alert((shared / "data/cap/earthquake.cap").read_bytes()).infos
    assert info.areas[0].circles == (Circle(-16.053, -173.274, 0.0),)
    assert NamedValue("Magnitude", "6.3") in info.parameters


def test_a_message_without_its_scope_is_refused(shared: Path) -> None:
    with pytest.raises(CapError) as wrong:
        read_alert((shared / "data/cap/invalid.cap").read_bytes(), "invalid.cap")
    assert str(wrong.value) == "invalid.cap: alert.scope: wanted a text, got nothing"


def test_what_cap_allows_is_read() -> None:
    """Byte order mark, comments, instructions, CDATA, any order of elements, resources, signatures, old words."""
    signed = warning(
        ("<alert ", "<?xml-stylesheet href='http://127.0.0.1:1/x.xsl'?><!-- a --><alert "),
        ("<certainty>Likely", "<certainty>Very Likely"),
        ("<description>预计", "<description><![CDATA[<b>]]>预计"),
        (
            "</alert>",
            '<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><SignedInfo><a><b/></a></SignedInfo></Signature></alert>',
        ),
        ("<status>Actual</status>\n", ""),
        ("<scope>", "<status>Actual</status><scope>"),
        (
            "<area>",
            "<resource><resourceDesc>map</resourceDesc><mimeType>image/png</mimeType><size>12</size></resource><area>",
        ),
        ("<areaDesc>", "<altitude>12.5</altitude><ceiling>100</ceiling><areaDesc>"),
    )
    alert = read_alert(b"\xef\xbb\xbf" + signed)
    [info] = alert.infos
    assert (info.certainty, info.description[:5]) == ("Likely", "<b>预计")
    assert (info.resources[0].size, info.areas[0].altitude, info.areas[0].ceiling) == (12, 12.5, 100.0)
    assert read_alert(write_alert(alert)) == alert


ROOT = '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
LAUGHS = "".join(f"<!ENTITY l{n + 1} '" + f"&l{n};" * 10 + "'>" for n in range(9))


def _with_attributes(form: str, count: int) -> bytes:
    return f"{ROOT}<code {' '.join(map(form.format, range(count)))}/></alert>".encode()


def _in_front(doctype: str) -> bytes:
    return warning((ROOT, doctype + ROOT))


ATTACKS: dict[str, bytes] = {
    "outer entity of a file": _in_front('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "outer entity of a server": _in_front('<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/x">]>'),
    "outer document type": _in_front('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">'),
    "public document type": _in_front('<!DOCTYPE a PUBLIC "-//x//y" "http://127.0.0.1:1/x.dtd">'),
    "parameter entity": _in_front('<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]>'),
    "billion laughs": _in_front("<!DOCTYPE a [<!ENTITY l0 'ha'>" + LAUGHS + "]>"),
    "quadratic blow-up": _in_front("<!DOCTYPE a [<!ENTITY x '" + "a" * 100_000 + "'>]>"),
    "empty document type": _in_front("<!DOCTYPE a>"),
    "attribute list": _in_front('<!DOCTYPE a [<!ATTLIST alert x CDATA "y">]>'),
    "notation": _in_front('<!DOCTYPE a [<!NOTATION n SYSTEM "x"><!ENTITY x SYSTEM "y" NDATA n>]>'),
    "entity of nowhere": warning(("暴雨</event>", "&x;</event>")),
    "deep": f"{ROOT}{'<info>' * 30_000}".encode(),
    "deep and closed": f"{ROOT}{'<info>' * 30_000}{'</info>' * 30_000}</alert>".encode(),
    "deep in a signature": warning(("</alert>", "<S xmlns='http://www.w3.org/2000/09/xmldsig#'>" + "<S>" * DEEPEST)),
    "many elements": f"{ROOT}{'<code/>' * (MOST_ELEMENTS + 5)}</alert>".encode(),
    "many attributes": _with_attributes("a{0}=''", 45_000),
    "long attribute": _with_attributes("a='" + "x" * 430_000 + "'", 1),
    "too large": ROOT.encode() + b" " * MOST_BYTES,
    "one long text": f"{ROOT}{'x' * 430_000}</alert>".encode(),
    "one long name": f"{ROOT}<{'x' * 430_000}/></alert>".encode(),
    "many namespaces": _with_attributes("xmlns:a{0}='u{0}'", 22_000),
    "comment without end": f"{ROOT}<!--{'-' * 430_000}".encode(),
    "open brackets": b"<" * 430_000,
    "many points": warning(("36.6,116.9 36.6,117.1", "36.6,116.9 " * 30_000 + "36.6,117.1")),
    "digits without end": warning(("36.65,117.0 5", f"36.65,117.0 {'9' * 400_000}")),
    "spaces without end": warning(("36.65,117.0 5", f"36.65,117.0{' ' * 430_000}")),
    "many references": warning(("<info>", f"<references>{'a,b ' * 100_000}</references><info>")),
    "nothing": b"",
    "only a declaration": b'<?xml version="1.0"?>',
    "zeros": b"\0" * 1000,
    "noise": bytes(range(256)) * 100,
    "JSON": b'{"alert": 1}',
    "UTF-16": WARNING.encode("utf-16"),
    "UTF-7": '<?xml version="1.0" encoding="utf-7"?>+ADw-alert+AD4-'.encode("utf-7"),
    "GBK": WARNING.encode("gbk"),
    "half a surrogate": warning(("暴雨</event>", "&#xD800;</event>")),
    "control character": warning(("暴雨</event>", "&#1;</event>")),
    "cut off": warning()[:-20],
    "two roots": warning() + warning(),
    "text behind": warning() + b"x",
    "XInclude": warning(("<info>", '<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="x"/><info>')),
    "another namespace": warning(("cap:1.2", "cap:1.3")),
    "no namespace": warning((' xmlns="urn:oasis:names:tc:emergency:cap:1.2"', "")),
    "another root": f"{ROOT.replace('alert', 'info')}</info>".encode(),
    "mixed namespaces": warning(("<info>", '<info xmlns="urn:oasis:names:tc:emergency:cap:1.1">')),
}


@pytest.mark.parametrize("data", ATTACKS.values(), ids=list(ATTACKS))
def test_an_attack_is_refused_at_once(data: bytes) -> None:
    """Within a tenth of a second (the best of three), and without memory that grows with what it asks for."""
    before_kb, taken_s = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(3):
        began_s = time.process_time()
        with pytest.raises(CapError) as wrong:
            read_alert(data, "attack.cap")
        taken_s.append(time.process_time() - began_s)
    assert str(wrong.value).startswith("attack.cap: ")
    assert "wanted" in str(wrong.value)
    assert len(str(wrong.value)) < 600
    assert min(taken_s) < REFUSED_WITHIN_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MOST_GROWTH_KB


def test_the_published_attack_on_readers_of_cap_is_refused() -> None:
    """The file xee.cap of google/cap-library in its form: an entity that names a file, used in a text."""
    attack = _in_front('<!DOCTYPE foo [<!ELEMENT foo ANY ><!ENTITY xxe SYSTEM "file:///dev/random" >]>')
    with pytest.raises(CapError, match="wanted XML without document type and entities, got DTDForbidden"):
        read_alert(attack.replace("暴雨</event>".encode(), b"&xxe;</event>"))


WRONG: dict[str, tuple[tuple[str, str], str]] = {
    "no identifier": (
        ("<identifier>37010041600000_20260826160913</identifier>", ""),
        "alert.identifier: wanted a text, got nothing",
    ),
    "empty identifier": (("37010041600000_20260826160913<", "<"), "alert.identifier: wanted a text, got nothing"),
    "comma in an identifier": (
        ("0000_2026", "0000,2026"),
        "alert.identifier: wanted at most 300 characters without spaces, commas",
    ),
    "two identifiers": (
        ("<sender>", "<identifier>x</identifier><sender>"),
        "alert.identifier: wanted one element at most, got '2 of them'",
    ),
    "no sender": (("<sender>37010041600000</sender>", ""), "alert.sender: wanted a text, got nothing"),
    "no time": (("<sent>2026-08-26T16:09:13+08:00</sent>", ""), "alert.sent: wanted a text, got nothing"),
    "time with Z": (
        ("13+08:00</sent>", "13Z</sent>"),
        "alert.sent: wanted a time such as 2026-03-01T08:00:00+08:00, got",
    ),
    "time with a fraction": (("13+08:00</sent>", "13.5+08:00</sent>"), "alert.sent: wanted a time such as"),
    "month 13": (("2026-08-26T16:09:13+08:00</sent>", "2026-13-26T16:09:13+08:00</sent>"), "alert.sent: wanted a time"),
    "30 February": (
        ("2026-08-26T16:09:13+08:00</sent>", "2026-02-30T16:09:13+08:00</sent>"),
        "alert.sent: wanted a time",
    ),
    "hour 24": (("2026-08-26T16:09:13+08:00</sent>", "2026-08-26T24:00:00+08:00</sent>"), "alert.sent: wanted a time"),
    "year 0": (("2026-08-26T16:09:13+08:00</sent>", "0000-08-26T16:09:13+08:00</sent>"), "alert.sent: wanted a time"),
    "offset of a day": (("13+08:00</sent>", "13+24:00</sent>"), "alert.sent: wanted a time"),
    "other digits": (
        ("2026-08-26T16:09:13+08:00</sent>", "２026-08-26T16:09:13+08:00</sent>"),
        "alert.sent: wanted a time",
    ),
    "bad expiry": (("<expires>2026-08-27T", "<expires>2026-08-27 "), "alert.info.expires: wanted a time"),
    "status of no list": (
        ("Actual", "actual"),
        "alert.status: wanted one of Actual, Exercise, System, Test, Draft, got 'actual'",
    ),
    "kind of no list": (("<msgType>Alert", "<msgType>Alarm"), "alert.msgType: wanted one of Alert, Update"),
    "an update of nothing": (
        ("<msgType>Alert", "<msgType>Update"),
        "alert.references: wanted what the Update refers to, got nothing",
    ),
    "a cancel of nothing": (
        ("<msgType>Alert", "<msgType>Cancel"),
        "alert.references: wanted what the Cancel refers to",
    ),
    "reference of two parts": (
        ("<info>", "<references>a,b</references><info>"),
        "alert.references: wanted sender,identifier,sent, got 'a,b'",
    ),
    "reference with a bad time": (
        ("<info>", "<references>a,b,c</references><info>"),
        "alert.references: wanted sender,identifier,sent",
    ),
    "no category": (("<category>Met</category>", ""), "alert.info.category: wanted one at least, got nothing"),
    "category of no list": (("<category>Met", "<category>Rain"), "alert.info.category: wanted one of Geo, Met"),
    "no event": (("<event>暴雨</event>", ""), "alert.info.event: wanted a text, got nothing"),
    "no urgency": (("<urgency>Expected</urgency>", ""), "alert.info.urgency: wanted a text, got nothing"),
    "no severity": (("<severity>Severe</severity>", ""), "alert.info.severity: wanted a text, got nothing"),
    "no certainty": (("<certainty>Likely</certainty>", ""), "alert.info.certainty: wanted a text, got nothing"),
    "language of no form": (("zh-CN", "zh CN"), "alert.info.language: wanted a language such as zh-CN, got 'zh CN'"),
    "no description of an area": (
        ("<areaDesc>济南市</areaDesc>", ""),
        "alert.info.area.areaDesc: wanted a text, got nothing",
    ),
    "open polygon": ((" 36.6,116.9</polygon>", "</polygon>"), "alert.info.area.polygon: wanted a closed border"),
    "polygon of two": (
        ("36.6,116.9 36.6,117.1 36.7,117.1 36.7,116.9 36.6,116.9", "1,1 1,1"),
        "wanted 4 to 20000 positions, got '2 positions'",
    ),
    "latitude of 91": (
        ("36.6,116.9 36.6,117.1", "91,116.9 36.6,117.1"),
        "alert.info.area.polygon: wanted latitude,longitude in degrees, got '91,116.9'",
    ),
    "position not a number": (
        ("36.6,116.9 36.6,117.1", "nan,116.9 36.6,117.1"),
        "wanted latitude,longitude in degrees, got 'nan,116.9'",
    ),
    "swapped circle": (
        ("36.65,117.0 5", "117.0,36.65 5"),
        "alert.info.area.circle: wanted latitude,longitude in degrees",
    ),
    "negative radius": (
        ("36.65,117.0 5", "36.65,117.0 -5"),
        "alert.info.area.circle: wanted latitude,longitude and a radius in km",
    ),
    "radius in words": (
        ("36.65,117.0 5", "36.65,117.0 1e3"),
        "alert.info.area.circle: wanted latitude,longitude and a radius",
    ),
    "circle without a radius": (
        ("36.65,117.0 5", "36.65,117.0"),
        "alert.info.area.circle: wanted latitude,longitude and a radius",
    ),
    "unknown element": (
        ("<urgency>", "<urgence>x</urgence><urgency>"),
        "alert.info: wanted an element that CAP has here, got 'urgence'",
    ),
    "text between elements": (
        ("<urgency>", "x<urgency>"),
        "alert.info: wanted elements and no text between them, got 'x'",
    ),
    "element in a text": (("暴雨</event>", "<b/></event>"), "alert.info.event: wanted a text, got '<b>'"),
    "code without a name": (
        ("<valueName>CPEAS Event Code</valueName>", ""),
        "alert.info.eventCode.valueName: wanted a text",
    ),
    "altitude in words": (
        ("<areaDesc>", "<altitude>high</altitude><areaDesc>"),
        "alert.info.area.altitude: wanted a decimal number, got 'high'",
    ),
    "second circle": (
        ("<geocode>", "<circle>x</circle><geocode>"),
        "alert.info.area.circle[1]: wanted latitude,longitude and a radius",
    ),
}


@pytest.mark.parametrize(("change", "said"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_message_is_refused_with_what_is_wrong(change: tuple[str, str], said: str) -> None:
    with pytest.raises(CapError) as wrong:
        read_alert(warning(change), "f.cap")
    assert str(wrong.value).startswith("f.cap: ")
    assert said in str(wrong.value)
