"""A page with a widget on it, without Jupyter: the module as a blob, a model that only stores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PAGE = """<!doctype html><html lang="en" data-theme="{theme}"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<style>body {{ margin: 0; padding: 16px; font-family: sans-serif }} {css}</style>
<div class="host"></div><div class="host"></div>
<script type="module">
  const source = {esm};
  const load = () => import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
  window.module = await load();
  // anywidget loads the module anew for each widget: what one keeps for itself, another does not see.
  window.models = await Promise.all({states}.map(async (state, k) => {{
    const own = await load();
    const heard = {{}};
    const model = {{
      saved: 0,
      get: (name) => state[name],
      set: (name, value) => {{
        if (state[name] === value) return;
        state[name] = value;
        (heard[`change:${{name}}`] ?? []).forEach((listener) => listener());
      }},
      save_changes: () => {{ model.saved += 1; }},
      on: (name, listener) => (heard[name] ??= []).push(listener),
      off: (name, listener) => {{ heard[name] = heard[name].filter((other) => other !== listener); }},
    }};
    const el = document.querySelectorAll(".host")[k];
    model.stop = own.default.render({{ model, el }});
    return model;
  }}));
  // Contrast, as WCAG has it. Colours come back as rgb(), color(srgb ...) or oklab(): a canvas gives the pixel seen.
  const pen = document.createElement("canvas").getContext("2d", {{ willReadFrequently: true }});
  const light = (colour) => {{
    pen.fillStyle = colour; pen.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map((byte) => byte / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }};
  window.contrast = (a, b) => {{
    const [x, y] = [light(a), light(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  }};
  window.ground = (node) => {{
    while (getComputedStyle(node).backgroundColor === "rgba(0, 0, 0, 0)") node = node.parentElement;
    return getComputedStyle(node).backgroundColor;
  }};
  window.textContrasts = (selector) => {{
    const found = {{}};
    for (const node of document.querySelectorAll(selector)) {{
      if (!node.textContent.trim() || node.closest("[hidden]")) continue;
      const style = getComputedStyle(node);
      const colour = node instanceof SVGElement ? style.fill : style.color;
      found[`${{node.tagName}} ${{node.textContent.slice(0, 24)}}`] = contrast(colour, ground(node));
    }}
    return found;
  }};
  window.ready = true;
</script></html>
"""


def write_page(folder: Path, widget: type, states: list[dict], theme: str = "light") -> Path:
    """A page with one widget of a class for each state (two at most)."""

    def script(value: object) -> str:
        return json.dumps(value).replace("</", "<\\/")

    html = PAGE.format(theme=theme, css=widget._css, esm=script(widget._esm), states=script(states))
    path = folder / "widget.html"
    path.write_text(html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def widget_page(request) -> Callable[..., Path]:
    """A function that writes a page of the test module's own `WIDGET`; a state lacks what is as in its `START`."""
    module = request.module

    def write(folder: Path, states: list[dict], *, theme: str = "light") -> Path:
        start = getattr(module, "START", {})
        return write_page(folder, module.WIDGET, [start | state for state in states], theme)

    return write


@pytest.fixture
def show(visit, widget_page, tmp_path) -> Iterator[Callable]:
    """A function that shows widgets in the browser; after the test it holds that no page complained."""
    visits = []

    def open_widgets(*states: dict, theme: str = "light", **options):
        record = visit(widget_page(tmp_path, list(states), theme=theme), **options)
        visits.append(record)
        record.page.wait_for_function("window.ready", timeout=10_000)
        return record.page

    yield open_widgets
    for record in visits:
        assert record.errors == []
        assert record.left_the_page == []


@pytest.fixture
def stop_the_clock() -> Callable:
    """A function that takes the timers of a page into the test's hands: from then on they wait for `page.clock.run_for`."""
    def stop(page) -> None:
        page.clock.install(time=0)
        page.clock.pause_at(1)

    return stop
