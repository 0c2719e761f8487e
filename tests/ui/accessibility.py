"""What axe-core says of a page: whether people with a screen reader, a keyboard or weak eyes can use it."""

from __future__ import annotations

import pytest

WEIGHTY = ("serious", "critical")
RUN = """async () => (await axe.run(document, {
  resultTypes: ["violations"],
  // Not asked by default: whoever speaks to the computer says the words that are to be read.
  rules: { "label-content-name-mismatch": { enabled: true } },
})).violations"""


def assert_accessible(tab) -> None:
    """No serious and no critical violation in what a page of Playwright shows now, transitions ended."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="pip install -r requirements-dev.txt")
    # What fades or glides has its colours at the end of that; what turns for ever has none to wait for.
    tab.wait_for_function(
        "() => document.getAnimations().every((one) => one.playState !== 'running' ||"
        " one.effect.getComputedTiming().endTime === Infinity || one.effect.getComputedTiming().endTime > 5000)"
    )
    tab.evaluate(axe.AXE_SCRIPT)
    found = [
        f"{violation['impact']}: {violation['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for violation in tab.evaluate(RUN)
        if violation["impact"] in WEIGHTY
        for node in violation["nodes"]
    ]
    assert found == [], "\n".join(found)
