"""The template and its stacks, for tests: `deployment.stack`, which `make preflight` uses too."""

from deployment.stack import SAM_PYTHON, Json, Stack, synthesised, values

__all__ = ["SAM_PYTHON", "Json", "Stack", "synthesised", "values"]
