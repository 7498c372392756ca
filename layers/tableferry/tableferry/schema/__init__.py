"""What a table is, on either server: its columns and keys, its definition taken apart, translated and compared.

It reads the catalog and changes nothing.
"""
