"""Which addresses may be shown as a source: those of the web, and no scripts, files or data. Opens none of them."""

from urllib.parse import urlsplit


def is_web(address: str) -> bool:
    """Whether it is an address of the web: http or https, with a host."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not any(map(str.isspace, address))
    except ValueError:
        return False
