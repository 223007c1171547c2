"""What the tests of the report share: a small text, and what every page of a report holds to."""

import re
from html.parser import HTMLParser

TEXT = """The cat sat on the mat. The dog sat on the rug. A cat ran to the dog. A dog ran to the cat.
The girl saw a cat. The boy saw a dog. The girl ran to the boy, and the boy sat on the mat.

A mouse saw the cat and ran. The mouse sat on a rug. The cat saw the mouse, and the mouse ran to the girl."""


class Tags(HTMLParser):
    """Every tag closes in order, but for those that have no end."""

    VOID = {"meta", "br", "path", "use", "rect", "image", "img", "link", "hr", "stop"}

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def check_page(text):
    tags = Tags()
    tags.feed(text)
    assert not tags.open and len(tags.ids) == len(set(tags.ids))
    fetched = [value for _, name, value in tags.attributes if name in ("src", "href", "xlink:href", "srcset", "data")
               and not value.startswith(("#", "data:"))]
    assert not fetched and "<script" not in text and "@import" not in text and "http" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    return tags
