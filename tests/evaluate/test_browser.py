"""The report in headless Chromium: it sorts, filters, opens, in light and dark, without an error.

Taken from the path, or from LONGSHORE_TEST_CHROMIUM.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from longshore.evaluate._report import render
from tests.evaluate.conftest import EVIL
from tests.evaluate.test_report import many

pytestmark = [
    pytest.mark.system(reason="needs Chromium"),
    pytest.mark.process,
    pytest.mark.timeout(180),
]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LISTEN = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective));
for (const kind of ["error", "warn"]) console[kind] = (...words) => problems.push(words.join(" "));
</script>"""
PROBE = (Path(__file__).parent / "probe.js").read_text("utf-8")


@pytest.fixture(scope="module")
def chromium() -> str:
    """The browser."""
    given = os.environ.get("LONGSHORE_TEST_CHROMIUM")
    found = given or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("there is no Chromium; LONGSHORE_TEST_CHROMIUM names one")
    return found


def opened(chromium: str, page: Path, profile: Path, *flags: str) -> dict[str, Any]:
    """Open a page, do what the probe does, and return what it wrote down."""
    text = page.read_text("utf-8").replace("<head>", f"<head>{LISTEN}", 1)
    probed = page.with_name("probed.html")
    probed.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), "utf-8")
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         f"--user-data-dir={profile}", "--window-size=1300,900", *flags, "--dump-dom",
         probed.as_uri()],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    assert told is not None, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(told[1]))
    return found


@pytest.mark.parametrize("count", [3, 5000])
def test_the_report_can_be_used(chromium: str, tmp_path: Path, count: int) -> None:
    """Sorted, filtered, opened, turned, printed: quickly, and without a word on the console."""
    page = tmp_path / "report.html"
    page.write_text(render(many(count)), "utf-8")
    found = opened(chromium, page, tmp_path / "profile")
    assert found["problems"] == []
    shown = min(count, 50)
    assert found["shown"] == [shown, f"1–{shown} of {count:,}"]
    assert (found["last"], found["sorted"]) == (str(count), "descending")
    assert found["slowest"] == f"{count:,} s"
    assert found["filtered"] == [1, f"docs/{EVIL}"]
    assert found["seconds"] < 3
    assert (found["panels"], found["sideBySide"], found["raw"], found["closed"]) == (2, 2, True, 0)
    assert found["refused"].endswith(f"of {count // 3:,} (of {count:,})")
    assert found["apart"] == f"1–1 of 1 (of {count:,})"
    assert (found["printed"], found["screen"]) == (min(count, 400), shown)
    assert found["targets"] == ["bravo", "alpha"]
    assert (found["strangers"], found["wide"]) == (0, True)


def test_light_and_dark(chromium: str, tmp_path: Path) -> None:
    """The page follows the system."""
    page = tmp_path / "report.html"
    page.write_text(render(many(3)), "utf-8")
    light = opened(chromium, page, tmp_path / "profile")["paper"]
    dark = opened(chromium, page, tmp_path / "profile", "--blink-settings=preferredColorScheme=0")[
        "paper"
    ]
    assert (light, dark) == ("rgb(255, 255, 255)", "rgb(20, 23, 27)")
