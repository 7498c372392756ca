"""What the account lets Lambda have at once."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from local.deployment.account import Account, Order, Problem

_UNRESERVED = 100  # so many executions Lambda keeps for functions that reserve none


def concurrency(order: Order, account: Account) -> Iterator[Problem]:
    """Lambda's executions at once."""
    functions = order.stack.of("AWS::Lambda::Function")
    reserved = {
        name: int(float(made["ReservedConcurrentExecutions"]))
        for name, made in functions.items()
        if "ReservedConcurrentExecutions" in made
    }
    if not sum(reserved.values()):
        return
    limits = account.client("lambda").get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"] + sum(_has(account, name) for name in functions)
    if free - sum(reserved.values()) < _UNRESERVED:
        yield Problem(
            "LoadConcurrency",
            f"{', '.join(reserved)} would reserve {sum(reserved.values())} of Lambda's executions. {free} of the"
            f" account's {limits['ConcurrentExecutions']} are unreserved, and {_UNRESERVED} have to stay so.",
            "LoadConcurrency=0, or ask for a higher quota: Service Quotas, AWS Lambda, Concurrent executions.",
        )


def _has(account: Account, logical: str) -> int:
    """What the stack's function has reserved already."""
    if logical not in account.ours:
        return 0
    try:
        found = account.client("lambda").get_function_concurrency(FunctionName=account.ours[logical])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return 0
        raise
    return int(found.get("ReservedConcurrentExecutions", 0))


CHECKS = (concurrency,)
