"""The API by `sam local`, with MySQL and S3 in containers: ``python -m local.sam``."""
