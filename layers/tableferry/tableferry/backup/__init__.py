"""One moment of tables into the bucket, as open files with a digest of every range.

It knows the snapshot and the order of its work. What a backup is, stands in `manifest`. It must not know of restores.
"""
