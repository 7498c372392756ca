-- What Tableferry's database user may do. Put your names in place of `database` (in which _ is written \_) and
-- 'tableferry'@'%'. The last four are not needed; each says what is lost without it. MySQL's partial_revokes has to be
-- off, as it is by default, or % in a name is no wildcard.

-- Your tables, and the load history, which is made there. SELECT, INSERT and UPDATE are for rows; DELETE for what is old
-- in the load history; CREATE for it and for tables that a restore brings in; ALTER, DROP and REFERENCES for those that it
-- exchanges, with their foreign keys; TRIGGER to see triggers, and to make them again.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `database`.* TO 'tableferry'@'%';

-- The schemas in which a restore builds tables, tries their triggers, reads them back, and keeps the old ones until it is
-- accepted.
GRANT SELECT, INSERT, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `tableferry\_%`.* TO 'tableferry'@'%';

-- Without them a backup reads on one connection in place of several, and on MySQL a row that is written at the moment of
-- a restore's swap may go in without its triggers, as it may on MariaDB.
GRANT LOCK TABLES ON `database`.* TO 'tableferry'@'%';
GRANT LOCK TABLES ON `tableferry\_%`.* TO 'tableferry'@'%';

-- Without it a backup does not name its position in the binary log.
GRANT REPLICATION CLIENT ON *.* TO 'tableferry'@'%';

-- Without it a block with rows that the database refuses takes many times as long to load.
GRANT CREATE TEMPORARY TABLES ON `database`.* TO 'tableferry'@'%';
