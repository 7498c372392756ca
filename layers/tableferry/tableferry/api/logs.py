"""What is logged, and what never is: `api/handler` has it, with which every function begins.

A line has ``level`` and, in RFC 3339, ``timestamp``: without either Lambda takes it for INFO when it sorts lines out by
their level (https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html).
"""

from __future__ import annotations

import logging

from aws_lambda_powertools import Logger

# At DEBUG, which Lambda sets for all loggers at once, these write down requests with session tokens, signatures and the
# answers that hold secrets. By name, so that none of them has to be imported; what is under a name goes by its level.
_TELL_TOO_MUCH = ("boto3", "botocore", "s3transfer", "urllib3")

for _name in _TELL_TOO_MUCH:
    logging.getLogger(_name).setLevel(logging.INFO)

logger = Logger(use_rfc3339=True, utc=True)
