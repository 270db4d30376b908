-- The tables that FreeRADIUS 3 expects of rlm_sql_sqlite, with the same columns and indices, and akund's own.
CREATE TABLE IF NOT EXISTS radcheck (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '==',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS radreply (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '=',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS radgroupcheck (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '==',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS radgroupreply (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    groupname varchar(64) NOT NULL DEFAULT '',
    attribute varchar(64) NOT NULL DEFAULT '',
    op char(2) NOT NULL DEFAULT '=',
    value varchar(253) NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS radusergroup (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    groupname varchar(64) NOT NULL DEFAULT '',
    priority int(11) NOT NULL DEFAULT '1'
);
CREATE TABLE IF NOT EXISTS radacct (
    radacctid INTEGER PRIMARY KEY AUTOINCREMENT,
    acctsessionid varchar(64) NOT NULL DEFAULT '',
    acctuniqueid varchar(32) NOT NULL DEFAULT '',
    username varchar(64) NOT NULL DEFAULT '',
    realm varchar(64) DEFAULT '',
    nasipaddress varchar(15) NOT NULL DEFAULT '',
    nasportid varchar(32) DEFAULT NULL,
    nasporttype varchar(32) DEFAULT NULL,
    acctstarttime datetime NULL DEFAULT NULL,
    acctupdatetime datetime NULL DEFAULT NULL,
    acctstoptime datetime NULL DEFAULT NULL,
    acctinterval int(12) DEFAULT NULL,
    acctsessiontime int(12) DEFAULT NULL,
    acctauthentic varchar(32) DEFAULT NULL,
    connectinfo_start varchar(128) DEFAULT NULL,
    connectinfo_stop varchar(128) DEFAULT NULL,
    acctinputoctets bigint(20) DEFAULT NULL,
    acctoutputoctets bigint(20) DEFAULT NULL,
    calledstationid varchar(50) NOT NULL DEFAULT '',
    callingstationid varchar(50) NOT NULL DEFAULT '',
    acctterminatecause varchar(32) NOT NULL DEFAULT '',
    servicetype varchar(32) DEFAULT NULL,
    framedprotocol varchar(32) DEFAULT NULL,
    framedipaddress varchar(15) NOT NULL DEFAULT '',
    framedipv6address varchar(45) NOT NULL DEFAULT '',
    framedipv6prefix varchar(45) NOT NULL DEFAULT '',
    framedinterfaceid varchar(44) NOT NULL DEFAULT '',
    delegatedipv6prefix varchar(45) NOT NULL DEFAULT '',
    class varchar(64) DEFAULT NULL
);
CREATE TABLE IF NOT EXISTS radpostauth (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username varchar(64) NOT NULL DEFAULT '',
    pass varchar(64) NOT NULL DEFAULT '',
    reply varchar(32) NOT NULL DEFAULT '',
    authdate timestamp NOT NULL,
    class varchar(64) DEFAULT NULL
);
CREATE TABLE IF NOT EXISTS nas (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    nasname varchar(128) NOT NULL,
    shortname varchar(32),
    type varchar(30) DEFAULT 'other',
    ports int(5),
    secret varchar(60) DEFAULT 'secret' NOT NULL,
    server varchar(64),
    community varchar(50),
    description varchar(200) DEFAULT 'RADIUS Client'
);
CREATE TABLE IF NOT EXISTS nasreload (
    nasipaddress varchar(15) PRIMARY KEY,
    reloadtime datetime NOT NULL
);
CREATE INDEX IF NOT EXISTS check_username ON radcheck (username);
CREATE INDEX IF NOT EXISTS reply_username ON radreply (username);
CREATE INDEX IF NOT EXISTS check_groupname ON radgroupcheck (groupname);
CREATE INDEX IF NOT EXISTS reply_groupname ON radgroupreply (groupname);
CREATE INDEX IF NOT EXISTS usergroup_username ON radusergroup (username);
CREATE UNIQUE INDEX IF NOT EXISTS acctuniqueid ON radacct (acctuniqueid);
CREATE INDEX IF NOT EXISTS username ON radacct (username);
CREATE INDEX IF NOT EXISTS framedipaddress ON radacct (framedipaddress);
CREATE INDEX IF NOT EXISTS framedipv6address ON radacct (framedipv6address);
CREATE INDEX IF NOT EXISTS framedipv6prefix ON radacct (framedipv6prefix);
CREATE INDEX IF NOT EXISTS framedinterfaceid ON radacct (framedinterfaceid);
CREATE INDEX IF NOT EXISTS delegatedipv6prefix ON radacct (delegatedipv6prefix);
CREATE INDEX IF NOT EXISTS acctsessionid ON radacct (acctsessionid);
CREATE INDEX IF NOT EXISTS acctsessiontime ON radacct (acctsessiontime);
CREATE INDEX IF NOT EXISTS acctstarttime ON radacct (acctstarttime);
CREATE INDEX IF NOT EXISTS acctinterval ON radacct (acctinterval);
CREATE INDEX IF NOT EXISTS acctstoptime ON radacct (acctstoptime);
CREATE INDEX IF NOT EXISTS nasipaddress ON radacct (nasipaddress);
CREATE INDEX IF NOT EXISTS class ON radacct (class);
CREATE INDEX IF NOT EXISTS radpostauth_username ON radpostauth (username);
CREATE INDEX IF NOT EXISTS radpostauth_class ON radpostauth (class);
CREATE INDEX IF NOT EXISTS nasname ON nas (nasname);

-- Whose account a user name is. Everything above without a row here was put there by somebody else.
CREATE TABLE IF NOT EXISTS akund_account (
    uid TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE COLLATE NOCASE,
    groupname TEXT,                             -- the one radusergroup row that akund wrote
    suspended INTEGER NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    held_attribute TEXT,                        -- the password row of a suspended account, kept for its return
    held_value TEXT
);
-- Which further rows of its user name akund wrote, by attribute.
CREATE TABLE IF NOT EXISTS akund_attribute (
    uid TEXT NOT NULL,
    place TEXT NOT NULL CHECK (place IN ('check', 'reply')),
    attribute TEXT NOT NULL,
    PRIMARY KEY (uid, place, attribute)
);
-- Groups whose radgroupcheck and radgroupreply rows akund wrote.
CREATE TABLE IF NOT EXISTS akund_profile (
    groupname TEXT NOT NULL PRIMARY KEY
);
-- Names that differ in case only are one name to people: looked for without a scan.
CREATE INDEX IF NOT EXISTS akund_check_username ON radcheck (username COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS akund_reply_username ON radreply (username COLLATE NOCASE);
CREATE INDEX IF NOT EXISTS akund_usergroup_username ON radusergroup (username COLLATE NOCASE);
