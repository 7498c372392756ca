"""What a backup is, whether it is whole, whose word it is, and which backups may go.

It reads the bucket alone and knows no database.
"""
