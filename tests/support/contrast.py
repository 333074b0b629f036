"""What a page's text looks like, asked of the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

_CONTRAST = """() => {
  const numbers = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return numbers(colour);
    }
    return [255, 255, 255];
  };
  const parts = [...document.querySelectorAll(
    "h1, h2, p, a, label, button, input, select, th, td, li, figcaption, summary")];
  return parts.filter((e) => e.offsetParent && e.type !== "range" && e.type !== "radio").map((e) => {
    const [a, b] = [light(numbers(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    return [`${e.tagName} ${e.id} ${e.textContent.slice(0, 20)}`, (a + 0.05) / (b + 0.05)];
  });
}"""


def unreadable(page: Page) -> list[tuple[str, float]]:
    """Return the texts whose contrast is less than the 4.5 that WCAG 2.2 asks for (1.4.3, level AA), and what it is."""
    return [(name, ratio) for name, ratio in page.evaluate(_CONTRAST) if ratio < 4.5]
