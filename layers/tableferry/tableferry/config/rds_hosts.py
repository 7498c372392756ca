"""What the name of a host says of where it is in RDS."""

from __future__ import annotations

import re

# RDS's own names; in China "rds" may stand before the region.
_RDS_HOST = re.compile(
    r"\.(?:([a-z]{2}(?:-[a-z]+)+-\d+)\.rds|rds\.([a-z]{2}(?:-[a-z]+)+-\d+))\.amazonaws\.com(?:\.cn)?\.?$",
    re.IGNORECASE,
)
_RDS_PROXY = re.compile(r"\.proxy-[a-z0-9]+$", re.IGNORECASE)


def rds_region(host: str) -> str | None:
    """The region in a name that RDS gives, such as ``shop.abc123.eu-west-1.rds.amazonaws.com``; None of any other."""
    found = _RDS_HOST.search(host)
    return (found[1] or found[2]).lower() if found else None


def is_rds_proxy(host: str) -> bool:
    """Whether a name is that of an endpoint of RDS Proxy, such as ``shop.proxy-abc123.eu-west-1.rds.amazonaws.com``."""
    found = _RDS_HOST.search(host)
    return found is not None and _RDS_PROXY.search(host[: found.start()]) is not None
