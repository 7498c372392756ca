"""Rows as Arrow columns, as files, as a digest: lossless, and as fast as the server sends them.

It knows how each type is held (`schema.codec`), and neither manifests nor the bucket.
"""
