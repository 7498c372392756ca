"""What has been written already, in the transaction of the rows it stands for, and into which table: exactly once.

Three tables of Tableferry's own in the user's database. It must not know of files, requests or backups, but by their ids.
"""
