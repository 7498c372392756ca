"""What the account lets Lambda have at once."""

from collections.abc import Iterator

from deployment.account import Account, Order, Problem


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


CHECKS = (concurrency,)
