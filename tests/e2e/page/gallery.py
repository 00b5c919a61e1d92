"""Takes the pictures of the playground in `docs/images`, of a service that runs.

    python -m tests.e2e.page.gallery http://localhost:8000

On a machine that does nothing else: the times are in the pictures.
"""

import io
import math
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parents[3] / "docs" / "images"
SETTLED_MS = 1500  # after which nothing moves any more

Point = tuple[float, float]


def main(url: str) -> None:
    """Take all pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        take_digits(open_page(browser, url, "light"))
        take_photo(open_page(browser, url, "light", height=700))
        take_clothing(open_page(browser, url, "dark", height=860))
        take_mammogram(open_page(browser, url, "light"))
        take_live(open_page(browser, url, "dark"))
        phones = [
            open_page(browser, url, scheme, width=390, scale=2)
            for scheme in ("light", "dark")
        ]
        take_phones(*phones)
        browser.close()


def open_page(
    browser: Browser,
    url: str,
    scheme: str,
    *,
    width: int = 1280,
    height: int = 800,
    scale: float = 1.5,
) -> Page:
    """The playground in a window of so many pixels, drawn `scale` times as fine."""
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=scale,
    )
    page.goto(url)
    page.wait_for_selector("html[data-ready]")
    return page


def take_digits(page: Page) -> None:
    """A three, drawn."""
    for _ in range(2):  # the first one also paid for what was cold
        draw_three(page)
    save(page.screenshot(), "playground-digits.webp", width=1600)


def take_photo(page: Page) -> None:
    """A cup of coffee, and what it is taken for."""
    show(page, "photo")
    for _ in range(2):
        page.get_by_role("button", name="A cup").click()
        page.wait_for_timeout(SETTLED_MS)
    show(page, "photo")
    save(page.screenshot(), "playground-photo.webp")


def take_clothing(page: Page) -> None:
    """Twenty garments, and the beginning of a way between two."""
    show(page, "clothing_vae")
    for index in (5, 9):
        page.locator("#clothing_vae .tile").nth(index).click()
    page.wait_for_timeout(SETTLED_MS)
    show(page, "clothing_vae")
    save(page.screenshot(), "playground-clothing.webp")


def take_mammogram(page: Page) -> None:
    """Four findings, and the scale."""
    show(page, "mammogram")
    page.get_by_label("Age", exact=True).fill("62")
    page.wait_for_timeout(SETTLED_MS)
    show(page, "mammogram")
    save(page.screenshot(), "playground-mammogram.webp")


def take_live(page: Page) -> None:
    """Two hundred requests one at a time, and six at once."""
    show(page, "live")
    for name in ("To", "Charts of"):
        page.get_by_label(name, exact=True).select_option("sentiment")
    for number, how in enumerate(("one at a time", "six at once"), 1):
        page.get_by_label(how).check()
        page.get_by_role("button", name="Send 200").click()
        page.locator("#live .results li").nth(number - 1).wait_for(timeout=120_000)
    page.wait_for_timeout(SETTLED_MS)
    show(page, "live")
    save(page.screenshot(), "playground-live.webp")


def take_phones(digits: Page, sentiment: Page) -> None:
    """Two cards side by side, as phones show them."""
    show(digits, "digits")
    draw_three(digits)
    show(sentiment, "sentiment")
    sentiment.locator("#sentiment .chip").nth(2).click()
    sentiment.wait_for_timeout(SETTLED_MS)
    show(sentiment, "sentiment")
    pictures = [Image.open(io.BytesIO(p.screenshot())) for p in (digits, sentiment)]
    width, height = pictures[0].size
    both = Image.new("RGB", (2 * width + 60, height), "white")
    for index, picture in enumerate(pictures):
        both.paste(picture, (index * (width + 60), 0))
    file = io.BytesIO()
    both.save(file, "PNG")
    save(file.getvalue(), "playground-phone.webp", width=1100)


def show(page: Page, card: str) -> None:
    """Bring a card to the top of the window, and wait until it is laid out."""
    page.evaluate(
        """(id) => {
            document.activeElement.blur();
            document.documentElement.style.scrollBehavior = "auto";
            document.getElementById(id).scrollIntoView();
        }""",
        card,
    )
    page.mouse.move(5, 5)
    page.locator(f"#{card} .waiting").wait_for(state="detached")
    page.wait_for_timeout(SETTLED_MS)


def draw_three(page: Page) -> None:
    """Draw a three on the paper, and let go of the pen."""
    if page.locator("#digits .hint").is_hidden():
        page.locator("#digits").get_by_role("button", name="Clear").click()
    box = page.locator("#digits canvas").bounding_box()
    assert box is not None
    first, *others = [
        (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        for x, y in (*arc(0.5, 0.34, 0.17, -150, 91), *arc(0.49, 0.66, 0.2, -88, 140))
    ]
    page.mouse.move(*first)
    page.mouse.down()
    for point in others:
        page.mouse.move(*point, steps=2)
    page.mouse.up()
    page.mouse.move(5, 5)
    page.wait_for_timeout(SETTLED_MS)


def arc(x: float, y: float, radius: float, first: int, last: int) -> Iterable[Point]:
    """Points of a circle's arc, from one angle to another, in degrees."""
    for degrees in range(first, last, 12):
        angle = math.radians(degrees)
        yield x + radius * math.cos(angle), y + 0.87 * radius * math.sin(angle)


def save(png: bytes, name: str, width: int = 1280) -> None:
    """Keep a picture, so many pixels wide."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    size = width, round(image.height * width / image.width)
    resized = image.resize(size, Image.Resampling.LANCZOS)
    resized.save(IMAGES / name, "WEBP", quality=80, method=6)


if __name__ == "__main__":
    main(sys.argv[1])
