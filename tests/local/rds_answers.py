"""RDS, of which the emulator has no versions, classes or networks: answers by operation, held against RDS's own model."""

from typing import Any

from botocore.validate import validate_parameters

Json = dict[str, Any]


class Rds:
    """What RDS answers; an operation that nothing is said of fails the test."""

    def __init__(self, client: Any, answers: Json) -> None:
        self._service, self.answers = client.meta.service_model, answers
        client.meta.events.register("before-call.rds", self._answer)

    def _answer(self, model: Any, **_: object) -> tuple[Any, Json]:
        answer = self.answers[model.name]
        validate_parameters(answer, model.output_shape)
        return _Ok(), answer


class _Ok:
    status_code = 200


def instance(**changed: object) -> Json:
    """A database as RDS describes it."""
    found: Json = {
        "DBInstanceIdentifier": "shop",
        "DbiResourceId": "db-ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "Engine": "mysql",
        "EngineVersion": "8.4.6",
        "Endpoint": {"Address": "shop.abc123.eu-central-1.rds.amazonaws.com", "Port": 3306},
        "IAMDatabaseAuthenticationEnabled": True,
        "PubliclyAccessible": False,
        "DBParameterGroups": [{"DBParameterGroupName": "shop-84"}],
    }
    return found | changed


def parameters(**values: str) -> Json:
    """A parameter group that says this, and a parameter without a value besides."""
    said: list[Json] = [
        {"ParameterName": name, "ParameterValue": value, "Source": "user"} for name, value in values.items()
    ]
    return {"Parameters": [*said, {"ParameterName": "tls_version", "Source": "engine-default"}]}


def version(number: str, family: str = "mysql8.4") -> Json:
    return {"Engine": "mysql", "EngineVersion": number, "DBParameterGroupFamily": family}


def offer(*zones: str, **changed: object) -> Json:
    """A class of instances as RDS offers it."""
    found: Json = {
        "DBInstanceClass": "db.t4g.medium",
        "StorageType": "gp3",
        "MultiAZCapable": True,
        "SupportsStorageEncryption": True,
        "SupportsIAMDatabaseAuthentication": True,
        "MinStorageSize": 20,
        "MaxStorageSize": 65536,
        "AvailabilityZones": [{"Name": zone} for zone in zones],
    }
    return found | changed
