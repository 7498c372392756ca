-- The table of `make smoke`, made once in the database that is deployed to. It holds nothing else, and may be emptied
-- at any time. Another name will do: make smoke TABLE=name.

CREATE TABLE IF NOT EXISTS smoke_test (
    run    VARCHAR(40)  NOT NULL,
    number INT          NOT NULL,
    text   VARCHAR(200) NOT NULL,
    PRIMARY KEY (run, number)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
