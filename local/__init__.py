"""The embedded runtime: a database, S3, the functions and their API on one machine.

``python -m local up`` starts it, ``down`` stops it. Nothing here is part of the package ``tableferry``, and the package
knows nothing of it: the functions see the same variables, events and API as in Lambda.
"""
