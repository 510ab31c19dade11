"""The files of the studio's pages: its home at `/`, the dashboard at `/live`, and the contract of its messages."""

from mtclar.stream.server.http.pages import CONTENT_TYPES, PROTOCOL_PATH, Page, dashboard_pages, web_folder
from mtclar.studio.protocol import messages

LIVE_PAGE = "live"
HOME_PAGE = "studio"


def studio_pages() -> dict[str, Page]:
    """What the studio adds to the server's pages, and puts in place of the dashboard at `/`."""
    pages = web_folder("mtclar.studio.web", HOME_PAGE)
    return {
        **pages,
        "/": pages["/studio"],
        f"/{LIVE_PAGE}": dashboard_pages()["/"],
        f"{PROTOCOL_PATH}/{messages.SCHEMA_FILE}": Page(messages.schema(), CONTENT_TYPES[".json"]),
        f"{PROTOCOL_PATH}/{messages.ASYNCAPI_FILE}": Page(messages.asyncapi(), CONTENT_TYPES[".yaml"]),
    }
