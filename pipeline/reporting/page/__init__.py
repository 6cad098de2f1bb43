"""``report.html``: a sweep on one page that needs nothing but a browser.

Each module turns values into what one section shows; templates, style and script are beside
them and become part of the page.
"""
