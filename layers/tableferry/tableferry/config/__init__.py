"""What the environment and the caller say.

`settings` is the only reader of the environment.
"""
