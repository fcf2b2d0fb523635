"""Differences as JUnit XML, which machines that run tests show: one case for each incident, and for each recording."""

from collections.abc import Mapping
from xml.etree import ElementTree

from city_brain.playback.comparing.differing import Difference, Differences


def junit(compared: Mapping[str, Differences], errors: Mapping[str, str] | None = None) -> bytes:
    """A test suite for each name. `errors`: what else is wrong with some of them.

    The format is the one that Jenkins and GitLab read (testsuites, testsuite, testcase, failure).
    """
    root = ElementTree.Element("testsuites")
    for name, differs in compared.items():
        wrong = (errors or {}).get(name, "")
        failures = len(differs.found) + bool(wrong)
        suite = ElementTree.SubElement(
            root, "testsuite", name=name, tests=str(differs.same + failures), failures=str(failures)
        )
        for difference in differs.found:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name=_named(difference))
            failure = ElementTree.SubElement(case, "failure", message=difference.what)
            failure.text = "\n".join(f"{field.path}: {field.before} -> {field.after}" for field in difference.fields)
        if wrong:
            case = ElementTree.SubElement(suite, "testcase", classname=name, name="digest")
            ElementTree.SubElement(case, "failure", message=wrong)
        for number in range(differs.same):
            ElementTree.SubElement(suite, "testcase", classname=name, name=f"incident that is the same, {number + 1}")
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _named(difference: Difference) -> str:
    return f"{difference.number} {difference.type} {difference.incident_id}"
