"""What the account lets Lambda have at once."""

from collections.abc import Iterator

from deployment.account import Account, Order, Problem

_OF_OTHERS = 2  # executions that are left for the API's routes meanwhile


def concurrency(order: Order, account: Account) -> Iterator[Problem]:
    """Lambda's executions at once, which loads take of what all functions share."""
    mappings = order.stack.of("AWS::Lambda::EventSourceMapping").values()
    at_once = sum(
        int(float(made["ScalingConfig"]["MaximumConcurrency"])) for made in mappings if "ScalingConfig" in made
    )
    if not at_once:
        return
    free = account.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    if at_once >= free:
        yield Problem(
            "LoadConcurrency",
            f"{at_once} files that are loaded at once may take all {free} executions that the account's functions share;"
            " meanwhile nobody else, such as the API's routes, would get one.",
            f"LoadConcurrency={max(2, free // 2)}, or ask for a higher quota: Service Quotas, AWS Lambda, Concurrent"
            " executions.",
        )


def at_one_moment(order: Order, account: Account) -> Iterator[Problem]:
    """Lambda's executions at once, of which a backup over several functions needs all of its own at one moment."""
    if not order.stack.condition("Scales"):
        return
    workers = int(float(str(order.stack.parameters["ScaleWorkers"])))
    free = account.client("lambda").get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    if workers + 1 > free - _OF_OTHERS:
        yield Problem(
            "ScaleWorkers",
            f"A backup over {workers} functions, and one that holds its moment, takes {workers + 1} of the {free}"
            " executions that the account's functions share. It fails if one of them does not get its own.",
            f"ScaleWorkers={max(2, free // 2 - 1)}, or ask for a higher quota: Service Quotas, AWS Lambda, Concurrent"
            " executions.",
        )


CHECKS = (concurrency, at_one_moment)
