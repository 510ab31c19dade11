"""The files of the studio's pages: its home at `/`, the dashboard at `/live`, and the contract of its messages."""

from mtclar.stream.server.http.pages import PROTOCOL_FOLDER, Page, dashboard_pages, web_folder

LIVE_PAGE = "live"
HOME_PAGE = "studio"


def studio_pages() -> dict[str, Page]:
    """What the studio adds to the server's pages, and puts in place of the dashboard at `/`."""
    pages = web_folder("mtclar.studio.web", HOME_PAGE)
    return {
        **pages,
        "/": pages["/studio"],
        f"/{LIVE_PAGE}": dashboard_pages()["/"],
        **web_folder("mtclar.studio.protocol", PROTOCOL_FOLDER),
    }
