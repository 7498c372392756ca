-- What the database users of Tableferry's functions may do, where each function has a user of its own
-- (DatabaseUserPerFunction): insert can drop nothing, backup can write nothing of yours. grants.sql is for one user that
-- all share. Put your names in place of 'tableferry_…'@'%' and of `database`, in which _ is written \_ before .* and
-- only there. MySQL's partial_revokes has to be off.
--
-- tableferry_ledger and tableferry_epochs are Tableferry's own tables; whoever comes first makes them. TRIGGER is to see
-- triggers; MySQL has no lesser right for it. LOCK TABLES, REPLICATION CLIENT and CREATE TEMPORARY TABLES are not needed:
-- see grants.sql.

-- Insert: rows over HTTP. What is in the schemas of a restore says whether one that died had been swapped in.
GRANT SELECT, INSERT, UPDATE, TRIGGER ON `database`.* TO 'tableferry_insert'@'%';
GRANT SELECT ON `tableferry\_%`.* TO 'tableferry_insert'@'%';
GRANT CREATE, DELETE ON `database`.`tableferry_ledger` TO 'tableferry_insert'@'%';
GRANT CREATE ON `database`.`tableferry_epochs` TO 'tableferry_insert'@'%';
GRANT CREATE TEMPORARY TABLES ON `database`.* TO 'tableferry_insert'@'%';

-- Load: files. The same, of rows that come another way.
GRANT SELECT, INSERT, UPDATE, TRIGGER ON `database`.* TO 'tableferry_load'@'%';
GRANT SELECT ON `tableferry\_%`.* TO 'tableferry_load'@'%';
GRANT CREATE, DELETE ON `database`.`tableferry_ledger` TO 'tableferry_load'@'%';
GRANT CREATE ON `database`.`tableferry_epochs` TO 'tableferry_load'@'%';
GRANT CREATE TEMPORARY TABLES ON `database`.* TO 'tableferry_load'@'%';

-- Backup: reads.
GRANT SELECT, TRIGGER ON `database`.* TO 'tableferry_backup'@'%';
GRANT LOCK TABLES ON `database`.* TO 'tableferry_backup'@'%';
GRANT REPLICATION CLIENT ON *.* TO 'tableferry_backup'@'%';

-- Restore: makes tables beside yours and exchanges them. UPDATE and DELETE are for Tableferry's own tables, and for your
-- triggers: one whose definer a restore may not name runs as this user from then on.
GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `database`.* TO 'tableferry_restore'@'%';
GRANT SELECT, INSERT, CREATE, DROP, ALTER, REFERENCES, TRIGGER ON `tableferry\_%`.* TO 'tableferry_restore'@'%';
GRANT LOCK TABLES ON `database`.* TO 'tableferry_restore'@'%';
GRANT LOCK TABLES ON `tableferry\_%`.* TO 'tableferry_restore'@'%';
