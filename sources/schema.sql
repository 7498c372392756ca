-- The tables of the sample. Runs on MySQL 8.0 and later and MariaDB 10.6 and later, as often as one likes.
-- The collation is one that all of them have. Every field is required.

CREATE TABLE IF NOT EXISTS departments (
    id         INT          NOT NULL,
    department VARCHAR(100) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS jobs (
    id  INT          NOT NULL,
    job VARCHAR(100) NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;

CREATE TABLE IF NOT EXISTS hired_employees (
    id            INT          NOT NULL,
    name          VARCHAR(255) NOT NULL,
    `datetime`    DATETIME     NOT NULL COMMENT 'when hired, in UTC',
    department_id INT          NOT NULL,
    job_id        INT          NOT NULL,
    PRIMARY KEY (id),
    KEY hired_employees_department (department_id),
    KEY hired_employees_job (job_id),
    CONSTRAINT hired_employees_department FOREIGN KEY (department_id) REFERENCES departments (id),
    CONSTRAINT hired_employees_job FOREIGN KEY (job_id) REFERENCES jobs (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci;
