"""docs/development/extending.md: the recipe of a dashboard panel, followed in a browser."""

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from support.browser.watched_page import connected

RECIPES = (Path(__file__).parents[3] / "docs" / "development" / "extending.md").read_text()
FILES = dict(re.findall(r"```js\n// (\S+)\n(.*?)```", RECIPES, re.DOTALL))


def with_panel() -> str:
    """The dashboard's app.js with the lines of the recipe."""
    added, made, shown = FILES["app.js"].splitlines(keepends=True)
    app = (resources.files("mtclar.stream.web.dashboard") / "app.js").read_text()
    for line, before in ((made, "const faceList = "), (shown, "  showState(")):
        assert app.count(before) == 1
        app = app.replace(before, line + before)
    return added + app


def test_the_panel_shows_the_mean_of_the_seconds_in_view(
    speaker: Callable[..., Any], open_page: Callable[..., Page]
) -> None:
    server = speaker()
    page = open_page("about:blank", own=server.url)
    script = "text/javascript; charset=utf-8"
    page.route("**/dashboard/app.js", lambda route: route.fulfill(body=with_panel(), content_type=script))
    page.route(
        "**/dashboard/panels/mean.js", lambda route: route.fulfill(body=FILES["mean.js"], content_type=script)
    )
    page.goto(server.url)
    connected(page)
    for valence in (0.2, 0.4, 0.6):
        server.tell(server.face(valence, 0.0))  # waits for each: `latest` could replace one
    expect(page.get_by_text("Mean valence of the seconds in view: +0.40")).to_be_visible()
