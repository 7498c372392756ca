"""What is there: an AWS account in one region, asked with the caller's credentials by calls that only read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from deployment.stack import Json, Stack


@dataclass(frozen=True)
class Problem:
    """Something that a deployment would fail at: a parameter or another place, what is wrong there, and what to do."""

    place: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.wrong}\n    -> {self.remedy}"


@dataclass(frozen=True)
class Order:
    """What is to be deployed: a stack of the template, with these parameters, as samconfig.toml says it."""

    environment: str
    stack_name: str
    options: Json
    template: Json
    given: dict[str, str]
    """The parameters that samconfig.toml gives."""
    values: dict[str, str]
    """All parameters as CloudFormation gets them; empty where nothing says one."""

    @cached_property
    def stack(self) -> Stack:
        return Stack(self.template, **self.values)

    def listed(self, parameter: str) -> list[str]:
        """The members of a parameter with commas in it; none if it is empty."""
        return [item.strip() for item in self.values[parameter].split(",") if item.strip()]

    def first(self, kind: str) -> Json | None:
        """The properties of the first resource of this type, if the stack has one."""
        return next(iter(self.stack.of(kind).values()), None)


class Account:
    """The account of a session. Each client is made once; what several checks want to know is asked once."""

    def __init__(self, session: boto3.Session, stack_name: str, region: str | None = None) -> None:
        self._session, self._stack_name = session, stack_name
        self.region = region or str(session.region_name)
        self._clients: dict[tuple[str, str], Any] = {}
        self._regions: dict[str, Account] = {self.region: self}

    def at(self, region: str) -> "Account":
        """The same account in another region."""
        if region not in self._regions:
            self._regions[region] = Account(self._session, self._stack_name, region)
        return self._regions[region]

    def client(self, service: str, region: str | None = None) -> Any:
        """Of the account's region, unless another is named."""
        of = service, region or self.region
        if of not in self._clients:
            config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"})
            client: Any = self._session.client(service, of[1], config=config)  # type: ignore[call-overload]
            self._clients[of] = client
        return self._clients[of]

    def every(self, service: str, operation: str, member: str, **asked: object) -> list[Any]:
        """All that a call lists, page after page."""
        pages = self.client(service).get_paginator(operation).paginate(**asked)
        return [item for page in pages for item in page.get(member, [])]

    @cached_property
    def number(self) -> str:
        """The account's number; raises as boto3 does where there are no credentials."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def standing(self) -> Json | None:
        """The stack of this name, if there is one."""
        try:
            found: Json = self.client("cloudformation").describe_stacks(StackName=self._stack_name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found if found["StackStatus"] != "REVIEW_IN_PROGRESS" else None

    @cached_property
    def ours(self) -> dict[str, str]:
        """What the stack has made already: the names in the account, by those in the template."""
        if self.standing is None:
            return {}
        found = self.every(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=self._stack_name
        )
        return {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in found
            if each.get("PhysicalResourceId") and not each["ResourceStatus"].startswith("DELETE_")
        }

    def database(self, host: str) -> Json | None:
        """The RDS instance or cluster whose endpoint this is, as RDS describes it, if it is in this region."""
        for instance in self.every("rds", "describe_db_instances", "DBInstances"):
            if instance.get("Endpoint", {}).get("Address", "").lower() == host.lower():
                return dict(instance)
        for cluster in self.every("rds", "describe_db_clusters", "DBClusters"):
            names = (cluster.get("Endpoint"), cluster.get("ReaderEndpoint"), *cluster.get("CustomEndpoints", ()))
            if host.lower() in {str(name).lower() for name in names if name}:
                return dict(cluster)
        return None


Check = Callable[[Order, Account], Iterable[Problem]]


def refused(check: Check, order: Order, account: Account) -> Iterator[Problem]:
    """What a check finds; a call that the account refuses is a problem as well, for nobody knows then."""
    try:
        yield from check(order, account)
    except ClientError as error:
        said = error.response.get("Error", {})
        yield Problem(
            (check.__doc__ or check.__name__).splitlines()[0].rstrip("."),
            f"this could not be looked at: {error.operation_name} was refused"
            f" ({said.get('Code', 'no code')}: {said.get('Message', '')}).",
            "Let whoever runs this read the account (AWS's managed policy ReadOnlyAccess is enough, and"
            " secretsmanager:GetSecretValue on the database's secret).",
        )
