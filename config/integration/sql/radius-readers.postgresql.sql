-- FreeRADIUS reads akund's hotspot accounts and writes sessions. Load it into akund_radius after akund has made its tables, as the
-- tables' owner or an administrator, with a password of your own. Nobody else needs to read NT hashes, mail's servers least.
CREATE ROLE akund_freeradius LOGIN PASSWORD 'CHANGE-ME';
GRANT SELECT ON radcheck, radreply, radgroupcheck, radgroupreply, radusergroup, nas TO akund_freeradius;
GRANT SELECT, INSERT, UPDATE, DELETE ON radacct, nasreload TO akund_freeradius;
GRANT INSERT ON radpostauth TO akund_freeradius;
GRANT USAGE ON SEQUENCE radacct_radacctid_seq, radpostauth_id_seq TO akund_freeradius;
