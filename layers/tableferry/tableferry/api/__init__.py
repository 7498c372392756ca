"""HTTP, S3's and direct events become calls; results and errors become answers.

It alone knows of HTTP: statuses, problem details, the OpenAPI document. It may know every other folder, and holds no
rule of its own about tables, files or backups.
"""
