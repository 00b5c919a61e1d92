"""The report on docs/drift.md is one that the command prints."""

from service.contract.version import read_version
from service.drift.reference import find_reference
from service.drift.report import compare, tell
from tests.sandbox.sandboxes import ROOT
from tests.versions import SHIPPED


def test_the_report_on_the_page_is_what_is_printed() -> None:
    home = SHIPPED / "churn" / "2"
    version = read_version(home, "churn", 2, verify=False)
    reference = find_reference(home, version.contract, version.manifest)
    counts = {"stays": 6114, "leaves": 6366}
    report = compare("churn", 2, reference, counts, 0.742)
    assert report.verdict == "another population"
    assert "\n".join(tell(report)) in (ROOT / "docs" / "drift.md").read_text()
