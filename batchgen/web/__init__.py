"""What a run came to, as a page for people."""

from batchgen.web.page import PAGE, write_page

__all__ = ["PAGE", "write_page"]
