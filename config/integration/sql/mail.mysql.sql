-- Accounts that a person made here by hand have no uid; akund never touches them.
CREATE TABLE IF NOT EXISTS domains (
    domain varchar(253) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY,
    uid char(36) CHARACTER SET ascii COLLATE ascii_general_ci,  -- the account whose making brought it here
    KEY domains_uid (uid)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS mailboxes (
    address varchar(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY,
    uid char(36) CHARACTER SET ascii COLLATE ascii_general_ci UNIQUE,  -- akund's id of the account
    password varchar(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,  -- $6$… or {SSHA512}…
    home varchar(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL UNIQUE,
    quota bigint,                               -- bytes; NULL: the server's default
    enabled smallint NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    ends_at bigint                              -- seconds since 1970; NULL: never
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS aliases (
    address varchar(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL PRIMARY KEY,
    destination varchar(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL,
    uid char(36) CHARACTER SET ascii COLLATE ascii_general_ci,
    KEY aliases_uid (uid)
) ENGINE = InnoDB;
-- Homes of accounts that are gone. The mail may still be there: nobody else is ever given it.
CREATE TABLE IF NOT EXISTS retired_homes (
    home varchar(700) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
    uid char(36) CHARACTER SET ascii COLLATE ascii_general_ci NOT NULL,
    retired_at bigint NOT NULL
) ENGINE = InnoDB;
