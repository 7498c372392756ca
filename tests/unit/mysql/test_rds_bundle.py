"""The authorities that are shipped: whether each is one of RDS's, will be valid for long, and is found by its region."""

import re
import ssl
import time
from typing import Any

import pytest

from tableferry.config.settings import DatabaseAddress
from tableferry.errors import Misconfigured
from tableferry.mysql import tls

REGIONS = [
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ca-central-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]
YEAR = 365 * 24 * 3600


def load(pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem)
    return context


def name(parts: Any, attribute: str = "commonName") -> str:
    return str(dict(pair for part in parts for pair in part)[attribute])


def test_every_certificate_is_an_authority_of_rds_and_good_for_a_year() -> None:
    text = tls.RDS_BUNDLE.read_text(encoding="ascii")
    context = load(text)
    # Of the certificates that OpenSSL takes, get_ca_certs() shows those that may sign others.
    assert context.cert_store_stats() == {"x509": 84, "x509_ca": 84, "crl": 0}
    assert text.count("BEGIN CERTIFICATE") == 84
    for found in context.get_ca_certs():
        assert re.fullmatch(
            r"Amazon RDS [a-z]+-[a-z]+-\d Root CA (RSA2048|RSA4096|ECC384) G1", name(found["subject"])
        ), found["subject"]
        assert name(found["subject"], "organizationName") == "Amazon Web Services, Inc."
        assert found["subject"] == found["issuer"]
        assert ssl.cert_time_to_seconds(str(found["notBefore"])) < time.time()
        assert ssl.cert_time_to_seconds(str(found["notAfter"])) > time.time() + YEAR


def test_each_region_has_its_three_authorities_and_no_others() -> None:
    found = tls.regions()
    assert sorted(found) == REGIONS
    for region, pem in found.items():
        names = sorted(name(one["subject"]) for one in load(pem).get_ca_certs())
        assert names == [f"Amazon RDS {region} Root CA {kind} G1" for kind in ("ECC384", "RSA2048", "RSA4096")]


def test_an_address_in_the_cloud_trusts_its_regions_authorities_only() -> None:
    context = tls.context(DatabaseAddress("h", 3306, "d", "u", verified=True, region="eu-west-1"))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert {name(one["subject"]).split()[2] for one in context.get_ca_certs()} == {"eu-west-1"}


@pytest.mark.parametrize("region", ["ca-west-1", "cn-north-1", None])
def test_a_region_whose_authorities_are_not_known_is_an_error_that_says_so(region: str | None) -> None:
    with pytest.raises(Misconfigured, match="DATABASE_CA_FILE"):
        tls.context(DatabaseAddress("h", 3306, "d", "u", verified=True, region=region))


def test_a_file_that_holds_no_certificates_is_an_error_that_names_it(tmp_path: Any) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for file in ("none.pem", "absent.pem"):
        with pytest.raises(Misconfigured, match=file):
            tls.context(DatabaseAddress("h", 3306, "d", "u", ca_file=str(tmp_path / file)))
