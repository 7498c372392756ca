"""What is known of a load: its status and its place in lists, in the bucket; its checkpoints, in the database.

It must not know how a file is read.
"""
