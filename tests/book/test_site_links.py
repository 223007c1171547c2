"""The built book as files: every link, anchor, picture, script and font is there, none on another server."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from bs4 import BeautifulSoup

RESOURCES = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "video": "src",
             "audio": "src", "object": "data", "embed": "src"}
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)")


@functools.cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


@functools.cache
def anchors(page: Path) -> set[str]:
    """All names within a page that a link can lead to."""
    return {tag[name] for name in ("id", "name") for tag in parsed(page).find_all(attrs={name: True})}


def is_remote(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ftp")


def broken(page: Path, address: str) -> str | None:
    """What is wrong with a local address on a page, or None."""
    parts = urlsplit(address)
    if parts.scheme:
        return None
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    target = target / "index.html" if target.is_dir() else target
    if not target.is_file():
        return f"{page.name}: {address}: no such file"
    if parts.fragment and target.suffix == ".html" and not leads_somewhere(target, parts.fragment):
        return f"{page.name}: {address}: no such place on that page"
    return None


def leads_somewhere(target: Path, fragment: str) -> bool:
    """Is there such a place on the page, or such a choice of its filters (`verdict=fails`)?"""
    if "=" not in fragment:
        return unquote(fragment) in anchors(target)
    menus = {menu["name"]: {option["value"] for option in menu.find_all("option")}
             for menu in parsed(target).select("form.ntp-filter select")}
    return all(value in menus.get(name, ()) for name, value in parse_qsl(fragment))


def faults(page: Path) -> list[str]:
    """Every broken link of a page, and every resource that it would fetch from elsewhere."""
    found = [broken(page, link["href"]) for link in parsed(page).find_all("a", href=True)]
    for tag, attribute in RESOURCES.items():
        for element in parsed(page).find_all(tag, attrs={attribute: True}):
            address = element[attribute]
            remote = f"{page.name}: <{tag}> asks for {address}"
            found.append(remote if is_remote(address) else broken(page, address))
    return [fault for fault in found if fault]


def test_every_link_anchor_and_resource_is_in_the_site(site) -> None:
    templates = site / "_static"  # the theme's
    pages = [page for page in site.rglob("*.html") if templates not in page.parents]
    assert len(pages) > 5
    assert not [fault for page in pages for fault in faults(page)]


def test_every_file_that_a_stylesheet_names_is_in_the_site(site) -> None:
    missing = []
    for sheet in site.rglob("*.css"):
        for address in CSS_URL.findall(sheet.read_text(encoding="utf-8")):
            if address.startswith(("data:", "#")):
                continue
            if is_remote(address) or broken(sheet, address.split("?")[0]):
                missing.append(f"{sheet.relative_to(site)}: {address}")
    assert not missing


def test_every_claim_of_claims_json_is_on_its_page_and_in_the_ledger(site) -> None:
    claims = json.loads((site / "claims.json").read_text(encoding="utf-8"))
    ledger = {link["href"] for link in parsed(site / "book" / "ledger.html").find_all("a", href=True)}
    assert claims
    for claim in claims:
        assert claim["anchor"] in anchors(site / claim["page"]), claim["id"]
        assert f"../{claim['page']}#{claim['anchor']}" in ledger, claim["id"]


def test_the_crawler_sees_what_is_broken(tmp_path) -> None:
    (tmp_path / "there.html").write_text('<p id="here"></p>', encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text('<a href="there.html#here">good</a><a href="https://example.org">good</a>'
                    '<a href="gone.html">1</a><a href="there.html#gone">2</a><img src="gone.png">'
                    '<script src="https://example.org/x.js"></script>', encoding="utf-8")
    assert len(faults(page)) == 4
    menu = '<form class="ntp-filter"><select name="verdict"><option value="fails">fails</option></select></form>'
    (tmp_path / "list.html").write_text(menu, encoding="utf-8")
    other = tmp_path / "other.html"
    other.write_text('<a href="list.html#verdict=fails">good</a><a href="list.html#verdict=wins">1</a>'
                     '<a href="list.html#part=fails">2</a><a href="there.html#verdict=fails">3</a>', encoding="utf-8")
    assert len(faults(other)) == 3
