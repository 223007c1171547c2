"""A page with a widget on it, without Jupyter: the module as a blob, a model that only stores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ntputils.widgets import SoftLabelsWidget

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
  window.ready = true;
</script></html>
"""


DEFAULTS = {"text": "the cat sat. the cat ran.", "context_length": 2, "vocab_size": 0}


@pytest.fixture(scope="session")
def widget_page() -> Callable[..., Path]:
    """A function that writes a page with one soft-labels widget for each state (two at most)."""

    def write(folder: Path, states: list[dict], *, theme: str = "light") -> Path:
        def script(value: object) -> str:
            return json.dumps(value).replace("</", "<\\/")

        html = PAGE.format(theme=theme, css=SoftLabelsWidget._css, esm=script(SoftLabelsWidget._esm),
                           states=script([DEFAULTS | state for state in states]))
        path = folder / "widget.html"
        path.write_text(html, encoding="utf-8")
        return path

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
