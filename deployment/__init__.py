"""What is deployed into an account: read as CloudFormation gets it, and held against what is there.

The template's evaluator (`stack`), what samconfig.toml says (`samconfig`, in SAM CLI's environment), the account, with
calls that only read (`account`), and the checks of `make preflight`, a module for each part of the account. `protect` is
the last step of `make deploy`, `smoke` what is tried afterwards, by requests that `signed` signs.
"""
