"""The API at a name of one's own."""

import pytest

from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack

NAMED = DEPLOYMENTS["least"] | {
    "DomainName": "tables.example.com",
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b",
}


def test_a_domain_leads_to_the_api_by_tls_1_2(synthesised: Json) -> None:
    stack = Stack(synthesised, **NAMED)
    [domain] = stack.of("AWS::ApiGatewayV2::DomainName").values()
    assert domain["DomainName"] == "tables.example.com"
    assert domain["DomainNameConfigurations"] == [
        {"CertificateArn": NAMED["CertificateArn"], "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ]
    [mapping] = stack.of("AWS::ApiGatewayV2::ApiMapping").values()
    [stage] = stack.of("AWS::ApiGatewayV2::Stage")
    assert mapping == {"ApiId": {"Ref": "Api"}, "DomainName": {"Ref": "ApiDomain"}, "Stage": {"Ref": stage}}
    assert not stack.of("AWS::Route53::RecordSet")


def test_with_a_hosted_zone_its_name_is_found(synthesised: Json) -> None:
    stack = Stack(synthesised, **NAMED, HostedZoneId="Z0123456789ABCDEFGHIJ")
    [record] = stack.of("AWS::Route53::RecordSet").values()
    assert (record["HostedZoneId"], record["Name"], record["Type"]) == (
        "Z0123456789ABCDEFGHIJ",
        "tables.example.com",
        "A",
    )
    assert record["AliasTarget"] == {
        "DNSName": {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]},
        "HostedZoneId": {"Fn::GetAtt": ["ApiDomain", "RegionalHostedZoneId"]},
    }


def test_without_a_domain_nothing_is_made(synthesised: Json) -> None:
    stack = Stack(synthesised, **DEPLOYMENTS["least"])
    for kind in ("AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::Route53::RecordSet"):
        assert not stack.of(kind)


@pytest.mark.parametrize(
    "given",
    [
        {"DomainName": "tables.example.com"},
        {"CertificateArn": NAMED["CertificateArn"]},
        {"HostedZoneId": "Z0123456789ABCDEFGHIJ"},
    ],
)
def test_a_domain_and_its_certificate_are_given_together(synthesised: Json, given: Json) -> None:
    [told] = Stack(synthesised, **DEPLOYMENTS["least"], **given).refusals()
    assert "DomainName" in told
    assert "CertificateArn" in told
    assert not Stack(synthesised, **NAMED).refusals()


def test_outputs_say_the_url_and_what_a_name_elsewhere_has_to_point_at(synthesised: Json) -> None:
    outputs = synthesised["Outputs"]
    assert outputs["DomainUrl"] == {"Condition": "HasDomain", "Value": {"Fn::Sub": "https://${DomainName}"}}
    assert outputs["DomainTarget"]["Condition"] == "HasDomain"
    assert outputs["DomainTarget"]["Value"] == {"Fn::GetAtt": ["ApiDomain", "RegionalDomainName"]}
