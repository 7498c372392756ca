"""The template and its stacks, for tests: `local.deployment.stack`, which `make preflight` uses too."""

from local.deployment.stack import SAM_PYTHON, Json, Stack, synthesised, values

__all__ = ["SAM_PYTHON", "Json", "Stack", "synthesised", "values"]
