-- Tableferry's user gets what sources/grants.sql says, in place of all that the image gives to MYSQL_USER.
REVOKE ALL PRIVILEGES ON `tableferry`.* FROM 'tableferry'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `tableferry`.* TO 'tableferry'@'%';
GRANT SELECT, INSERT, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `tableferry\_%`.* TO 'tableferry'@'%';
GRANT LOCK TABLES ON `tableferry`.* TO 'tableferry'@'%';
GRANT LOCK TABLES ON `tableferry\_%`.* TO 'tableferry'@'%';
GRANT REPLICATION CLIENT ON *.* TO 'tableferry'@'%';
GRANT CREATE TEMPORARY TABLES ON `tableferry`.* TO 'tableferry'@'%';
