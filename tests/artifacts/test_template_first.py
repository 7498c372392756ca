"""A first deployment that fails: nothing of it stands in the way of the next one, and what was in use is never lost."""

import pytest

from tests.artifacts.test_template import DEPLOYMENTS
from tests.support.stack import Json, Stack


@pytest.mark.parametrize("deployment", DEPLOYMENTS)
def test_what_has_a_name_or_is_kept_goes_with_the_deployment_that_failed_to_make_it(
    deployment: str, synthesised: Json
) -> None:
    """Retain would leave a bucket behind whose name the next try needs, and a key that signs nothing."""
    resources = Stack(synthesised, **DEPLOYMENTS[deployment]).resources
    policies = {name: found.get("DeletionPolicy") for name, found in resources.items()}
    assert "Retain" not in policies.values()
    kept = {name for name, policy in policies.items() if policy == "RetainExceptOnCreate"}
    assert kept == {"Bucket", "BucketPolicy"} | ({"SigningKey"} & set(resources))
    assert {resources[name]["UpdateReplacePolicy"] for name in kept} == {"Retain"}


def test_a_new_database_is_protected_unless_a_first_deployment_says_otherwise(synthesised: Json) -> None:
    for given, expected in (({}, "true"), ({"DatabaseDeletionProtection": "false"}, "false")):
        stack = Stack(synthesised, **DEPLOYMENTS["new"], **given)
        assert not stack.refusals()
        database = stack.resources["Database"]
        assert database["Properties"]["DeletionProtection"] == expected
        assert database["DeletionPolicy"] == database["UpdateReplacePolicy"] == "Snapshot"
