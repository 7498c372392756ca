"""API Gateway, Lambda and S3's events on one machine, for the functions of one SAM template.

A process of its own, because SAM CLI's packages need an environment of their own: ``python -m local.gateway CONFIG``.
The functions run in further processes, with the project's Python.
"""
