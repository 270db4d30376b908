-- Accounts that a person made here by hand have no uid; akund never touches them.
CREATE TABLE IF NOT EXISTS domains (
    domain TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    uid TEXT                                    -- the account whose making brought it here
);
CREATE TABLE IF NOT EXISTS mailboxes (
    address TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    uid TEXT UNIQUE,                            -- akund's id of the account
    password TEXT NOT NULL,                     -- $6$… or {SSHA512}…
    home TEXT NOT NULL UNIQUE,
    quota INTEGER,                              -- bytes; NULL: the server's default
    enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    ends_at INTEGER                             -- seconds since 1970; NULL: never
);
CREATE TABLE IF NOT EXISTS aliases (
    address TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    destination TEXT NOT NULL,
    uid TEXT
);
CREATE INDEX IF NOT EXISTS aliases_uid ON aliases (uid);
-- Homes of accounts that are gone. The mail may still be there: nobody else is ever given it.
CREATE TABLE IF NOT EXISTS retired_homes (
    home TEXT NOT NULL PRIMARY KEY,
    uid TEXT NOT NULL,
    retired_at INTEGER NOT NULL
);
