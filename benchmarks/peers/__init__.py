"""`make bench-peers`: backup and restore beside mydumper, mysqldump and the plain ways."""
