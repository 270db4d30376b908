-- Accounts that a person made here by hand have no uid; akund never touches them.
CREATE TABLE IF NOT EXISTS domains (
    domain text NOT NULL PRIMARY KEY,
    uid text                                    -- the account whose making brought it here
);
CREATE UNIQUE INDEX IF NOT EXISTS domains_folded ON domains (lower(domain));
CREATE INDEX IF NOT EXISTS domains_uid ON domains (uid);
CREATE TABLE IF NOT EXISTS mailboxes (
    address text NOT NULL PRIMARY KEY,
    uid text UNIQUE,                            -- akund's id of the account
    password text NOT NULL,                     -- $6$… or {SSHA512}…
    home text NOT NULL UNIQUE,
    quota bigint,                               -- bytes; NULL: the server's default
    enabled smallint NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
    ends_at bigint                              -- seconds since 1970; NULL: never
);
CREATE UNIQUE INDEX IF NOT EXISTS mailboxes_folded ON mailboxes (lower(address));
CREATE TABLE IF NOT EXISTS aliases (
    address text NOT NULL PRIMARY KEY,
    destination text NOT NULL,
    uid text
);
CREATE UNIQUE INDEX IF NOT EXISTS aliases_folded ON aliases (lower(address));
CREATE INDEX IF NOT EXISTS aliases_uid ON aliases (uid);
-- Homes of accounts that are gone. The mail may still be there: nobody else is ever given it.
CREATE TABLE IF NOT EXISTS retired_homes (
    home text NOT NULL PRIMARY KEY,
    uid text NOT NULL,
    retired_at bigint NOT NULL
);
