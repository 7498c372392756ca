"""The bucket: objects put, read, listed and signed, and puts that happen only on a condition.

It must not know what the objects mean, but for their keys.
"""
