"""Tableferry: loads data into MySQL, backs tables up to S3 and restores them."""

TITLE = "Tableferry"
DESCRIPTION = "Loads data into MySQL, backs tables up to S3 and restores them."
__version__ = "0.1.0"
