"""Who may call the API: whether the issuer of their tokens is one. API Gateway asks it when the API is made."""

from collections.abc import Iterator

import httpx

from deployment.account import Account, Order, Problem

_SECONDS = 10


def issuer(order: Order, _: Account) -> Iterator[Problem]:
    """The issuer of tokens."""
    named = order.values["JwtIssuer"]
    if not named:
        return
    url = f"{named.removesuffix('/')}/.well-known/openid-configuration"
    try:
        said = httpx.get(url, timeout=_SECONDS).raise_for_status().json()["issuer"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        yield Problem(
            "JwtIssuer",
            f"{url} describes no issuer from here ({type(error).__name__}), and API Gateway takes none that it cannot ask.",
            "Give the issuer as its own page names it; it has to answer the internet. docs/callers.md has examples.",
        )
        return
    if said != named:
        yield Problem(
            "JwtIssuer", f"the issuer calls itself {said}, so no token of it would be taken.", f"JwtIssuer={said}"
        )


CHECKS = (issuer,)
