"""Measure how long a list of 500 numbers takes to show a tick, on a processor a quarter as fast.

python -m tests.ticks
"""

import sys

from playwright.sync_api import sync_playwright

from tests import chromium
from tests.pictures import SIZE, product

SLOWDOWN = 4
TICKS = 20
BOXES = "tbody input[type=checkbox]"
# The browser reports the ms from each interaction to the next frame.
OBSERVE = """
window.shown = {};
new PerformanceObserver((entries) => {
    for (const { interactionId: id, duration } of entries.getEntries())
        if (id) shown[id] = Math.max(shown[id] ?? 0, duration);
}).observe({ type: "event", durationThreshold: 16 });
"""


def main():
    path = chromium.chromium() or sys.exit("Error: there is no Chromium; name one with CHROMIUM.")
    with product() as (address, password), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        page = browser.new_page(base_url=address, viewport=SIZE)
        page.goto("/")
        page.locator("[name=username]").fill("admin")
        page.locator("[name=password]").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/dids/")
        page.goto("/dids/?per_page=500")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.evaluate(OBSERVE)
        print(f"{page.locator(BOXES).count()} rows, {SLOWDOWN} x slowdown")
        for name, tick in {"click": by_click, "space": by_space}.items():
            show(name, page, tick)
        browser.close()


def show(name, page, tick):
    """Tick rows one by one and print the median and the worst time of them."""
    page.evaluate("shown = {}")
    for row in range(1, TICKS + 1):
        tick(page, row)
        page.wait_for_timeout(500)
    # Interactions of less than 16 ms are not reported.
    times = sorted(page.evaluate("Object.values(shown)")) or [0]
    print(f"{name}: p50 {times[len(times) // 2]} ms, worst {times[-1]} ms, {len(times)} reported")


def by_click(page, row):
    box = page.locator(BOXES).nth(row).bounding_box()
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.wait_for_timeout(500)
    page.mouse.down()
    page.mouse.up()


def by_space(page, row):
    page.locator(BOXES).nth(row).focus()
    page.wait_for_timeout(500)
    page.keyboard.press("Space")


if __name__ == "__main__":
    main()
