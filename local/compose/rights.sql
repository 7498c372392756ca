-- What Tableferry's user may do besides its own database: shadow schemas, and the binary log's position.
GRANT ALL ON `tableferry\_%`.* TO 'tableferry'@'%';
GRANT REPLICATION CLIENT ON *.* TO 'tableferry'@'%';
