"""What the documentation points at is there, and every page can be found."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / "custom_components").rglob("*.md"),
        *(ROOT / "blueprints").rglob("*.md"),
    ]
)
ELSEWHERE: Final = ("https://", "mailto:")
LARGEST_PICTURE_BYTES: Final = 200_000


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def targets(page: Path) -> Iterator[str]:
    """Yield what a page's links and pictures point at, except for other servers."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    found = re.findall(r"\]\(([^)\s]+)\)|<img [^>]*src=\"([^\"]+)\"", text)
    yield from (one or other for one, other in found if not (one or other).startswith(ELSEWHERE))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = 1
        name = anchor
        while name in found:
            name, again = f"{anchor}-{again}", again + 1
        found.add(name)
    return found


def is_there(page: Path, target: str) -> bool:
    """Tell whether a page's target is a file of the repository, with such a heading."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if path.startswith("/") or not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [target for target in targets(page) if not is_there(page, target)] == []


def test_a_link_that_leads_nowhere_is_told() -> None:
    wrong = ["missing.md", "README.md#no-such-heading", "#neither", "/docs/README.md", "../../.."]
    assert [target for target in wrong if is_there(DOCS / "README.md", target)] == []


def test_every_page_is_in_the_index() -> None:
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in targets(DOCS / "README.md")}
    assert {page for page in DOCS.glob("*.md") if page.name != "README.md"} <= listed


def test_every_picture_is_shown_and_small() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in targets(page)}
    drawn = ROOT / "docs" / "images" / "icon.svg"  # what scripts/brand.py draws the icons from
    pictures = set((DOCS / "images").iterdir())
    assert pictures - shown <= {drawn}
    assert [file.name for file in pictures if file.stat().st_size > LARGEST_PICTURE_BYTES] == []


def test_every_diagram_is_of_a_kind_that_github_draws() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"^```mermaid\n(\w+)", text, re.MULTILINE)) == {"flowchart"}
