"""Thousands of requests to every route of the served API, good and bad, each answer held to the OpenAPI document.

`make fuzz` (CASES=2000 a route, SEED=) runs all of it; `make test` a few cases of each, by tests/e2e/test_fuzz.py.
"""
