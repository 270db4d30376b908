-- The tables that FreeRADIUS 3 expects of rlm_sql_postgresql, with the same columns and indices, and akund's own.
CREATE TABLE IF NOT EXISTS radacct (
    RadAcctId        bigserial PRIMARY KEY,
    AcctSessionId        text NOT NULL,
    AcctUniqueId        text NOT NULL UNIQUE,
    UserName        text,
    Realm            text,
    NASIPAddress        inet NOT NULL,
    NASPortId        text,
    NASPortType        text,
    AcctStartTime        timestamp with time zone,
    AcctUpdateTime        timestamp with time zone,
    AcctStopTime        timestamp with time zone,
    AcctInterval        bigint,
    AcctSessionTime        bigint,
    AcctAuthentic        text,
    ConnectInfo_start    text,
    ConnectInfo_stop    text,
    AcctInputOctets        bigint,
    AcctOutputOctets    bigint,
    CalledStationId        text,
    CallingStationId    text,
    AcctTerminateCause    text,
    ServiceType        text,
    FramedProtocol        text,
    FramedIPAddress        inet,
    FramedIPv6Address    inet,
    FramedIPv6Prefix    inet,
    FramedInterfaceId    text,
    DelegatedIPv6Prefix    inet,
    Class            text
);
CREATE INDEX IF NOT EXISTS radacct_active_session_idx ON radacct (AcctUniqueId) WHERE AcctStopTime IS NULL;
CREATE INDEX IF NOT EXISTS radacct_bulk_close ON radacct (NASIPAddress, AcctStartTime) WHERE AcctStopTime IS NULL;
CREATE INDEX IF NOT EXISTS radacct_start_user_idx ON radacct (AcctStartTime, UserName);
CREATE INDEX IF NOT EXISTS radacct_calss_idx ON radacct (Class);
CREATE TABLE IF NOT EXISTS radcheck (
    id            serial PRIMARY KEY,
    UserName        text NOT NULL DEFAULT '',
    Attribute        text NOT NULL DEFAULT '',
    op            VARCHAR(2) NOT NULL DEFAULT '==',
    Value            text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radcheck_UserName on radcheck (UserName,Attribute);
CREATE TABLE IF NOT EXISTS radgroupcheck (
    id            serial PRIMARY KEY,
    GroupName        text NOT NULL DEFAULT '',
    Attribute        text NOT NULL DEFAULT '',
    op            VARCHAR(2) NOT NULL DEFAULT '==',
    Value            text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radgroupcheck_GroupName on radgroupcheck (GroupName,Attribute);
CREATE TABLE IF NOT EXISTS radgroupreply (
    id            serial PRIMARY KEY,
    GroupName        text NOT NULL DEFAULT '',
    Attribute        text NOT NULL DEFAULT '',
    op            VARCHAR(2) NOT NULL DEFAULT '=',
    Value            text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radgroupreply_GroupName on radgroupreply (GroupName,Attribute);
CREATE TABLE IF NOT EXISTS radreply (
    id            serial PRIMARY KEY,
    UserName        text NOT NULL DEFAULT '',
    Attribute        text NOT NULL DEFAULT '',
    op            VARCHAR(2) NOT NULL DEFAULT '=',
    Value            text NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS radreply_UserName on radreply (UserName,Attribute);
CREATE TABLE IF NOT EXISTS radusergroup (
    id            serial PRIMARY KEY,
    UserName        text NOT NULL DEFAULT '',
    GroupName        text NOT NULL DEFAULT '',
    priority        integer NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS radusergroup_UserName on radusergroup (UserName);
CREATE TABLE IF NOT EXISTS radpostauth (
    id            bigserial PRIMARY KEY,
    username        text NOT NULL,
    pass            text,
    reply            text,
    CalledStationId        text,
    CallingStationId    text,
    authdate        timestamp with time zone NOT NULL default now(),
    Class            text
);
CREATE INDEX IF NOT EXISTS radpostauth_username_idx ON radpostauth (username);
CREATE INDEX IF NOT EXISTS radpostauth_class_idx ON radpostauth (Class);
CREATE TABLE IF NOT EXISTS nas (
    id            serial PRIMARY KEY,
    nasname            text NOT NULL,
    shortname        text NOT NULL,
    type            text NOT NULL DEFAULT 'other',
    ports            integer,
    secret            text NOT NULL,
    server            text,
    community        text,
    description        text
);
CREATE INDEX IF NOT EXISTS nas_nasname on nas (nasname);
CREATE TABLE IF NOT EXISTS nasreload (
    NASIPAddress        inet PRIMARY KEY,
    ReloadTime        timestamp with time zone NOT NULL
);

-- Whose account a user name is. Everything above without a row here was put there by somebody else.
CREATE TABLE IF NOT EXISTS akund_account (
    uid text NOT NULL PRIMARY KEY,
    username text NOT NULL,
    groupname text,                             -- the one radusergroup row that akund wrote
    suspended smallint NOT NULL DEFAULT 0 CHECK (suspended IN (0, 1)),
    held_attribute text,                        -- the password row of a suspended account, kept for its return
    held_value text
);
CREATE UNIQUE INDEX IF NOT EXISTS akund_account_username ON akund_account (lower(username));
-- Which further rows of its user name akund wrote, by attribute.
CREATE TABLE IF NOT EXISTS akund_attribute (
    uid text NOT NULL,
    place text NOT NULL CHECK (place IN ('check', 'reply')),
    attribute text NOT NULL,
    PRIMARY KEY (uid, place, attribute)
);
-- Groups whose radgroupcheck and radgroupreply rows akund wrote.
CREATE TABLE IF NOT EXISTS akund_profile (
    groupname text NOT NULL PRIMARY KEY
);
-- Names that differ in case only are one name to people: looked for without a scan.
CREATE INDEX IF NOT EXISTS akund_radcheck_username ON radcheck (lower(username));
CREATE INDEX IF NOT EXISTS akund_radreply_username ON radreply (lower(username));
CREATE INDEX IF NOT EXISTS akund_radusergroup_username ON radusergroup (lower(username));
