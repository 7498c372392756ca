"""Whom to believe that it is the database: TLS with the certificates of a file, of RDS, or of nobody."""

from __future__ import annotations

import re
import ssl
from functools import lru_cache
from pathlib import Path

from tableferry.config.settings import DatabaseAddress
from tableferry.errors import Misconfigured

RDS_BUNDLE = Path(__file__).parents[1] / "rds-ca.pem"
_ROOT = re.compile(
    r"^# Amazon RDS (\S+) .*\n(-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n)", re.MULTILINE
)

# What OpenSSL found (x509_vfy.h).
_EXPIRED, _NOT_YET_VALID, _ANOTHER_NAME = 10, 9, {62, 64}


def context(address: DatabaseAddress) -> ssl.SSLContext | None:
    """What the server is held against, host name and all; None where it need not prove who it is.

    Raises:
        Misconfigured: the certificates to trust cannot be read, or there are none for the region.
    """
    if address.ca_file:
        return _of_file(address.ca_file)
    return _of_region(address.region) if address.verified else None


@lru_cache
def unverified() -> ssl.SSLContext:
    """Encrypted and no more: for a laptop, and for servers whose certificates nobody signed."""
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.check_hostname = False
    found.verify_mode = ssl.CERT_NONE
    return found


def regions() -> dict[str, str]:
    """The regions whose authorities are known, and their certificates as PEM."""
    found: dict[str, str] = {}
    for region, certificate in _ROOT.findall(RDS_BUNDLE.read_text(encoding="ascii")):
        found[region] = found.get(region, "") + certificate
    return found


def problem(error: ssl.SSLCertVerificationError, address: DatabaseAddress) -> str:
    """Why the server was not believed, and what to do."""
    server = f"the database server {address.host}:{address.port}"
    nothing = "It was not logged in to, and no password was sent."
    if error.verify_code in _ANOTHER_NAME:
        return (
            f"The certificate of {server} is for another name. {nothing} Use the name that the certificate is for, "
            "which on RDS is the endpoint's own."
        )
    if error.verify_code in {_EXPIRED, _NOT_YET_VALID}:
        return f"The certificate of {server} is not valid today. {nothing} Renew it; on RDS, rotate the certificate."
    trusted = "DATABASE_CA_FILE" if address.ca_file else f"RDS in {address.region}"
    return (
        f"The certificate of {server} is not signed by an authority of {trusted}. {nothing} If this is the right "
        "server, let DATABASE_CA_FILE name a file with the certificate of its authority."
    )


@lru_cache
def _of_file(path: str) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        found.load_verify_locations(path)
    except OSError as error:  # which an SSLError is, too
        raise Misconfigured(f"DATABASE_CA_FILE: no certificates (PEM) can be read from {path}.") from error
    return found


@lru_cache
def _of_region(region: str | None) -> ssl.SSLContext:
    """Three certificates in place of all: reading those takes 15 ms, half of what a query needs in all."""
    certificates = regions().get(region or "")
    if certificates is None:
        raise Misconfigured(
            f"The authorities of RDS in the region {region} are not known here (AWS_REGION, or the region in the name "
            "of DATABASE_HOST). Let DATABASE_CA_FILE name a file with their certificates (PEM), which AWS offers at "
            "https://truststore.pki.rds.amazonaws.com."
        )
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.load_verify_locations(cadata=certificates)
    return found
