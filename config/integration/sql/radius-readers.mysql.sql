-- FreeRADIUS reads akund's hotspot accounts and writes sessions. Load it into akund_radius after akund has made its tables, as an
-- administrator, with a password of your own and FreeRADIUS's host in place of localhost. Nobody else needs to read NT hashes,
-- mail's servers least.
CREATE USER akund_freeradius@localhost IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT ON radcheck TO akund_freeradius@localhost;
GRANT SELECT ON radreply TO akund_freeradius@localhost;
GRANT SELECT ON radgroupcheck TO akund_freeradius@localhost;
GRANT SELECT ON radgroupreply TO akund_freeradius@localhost;
GRANT SELECT ON radusergroup TO akund_freeradius@localhost;
GRANT SELECT ON nas TO akund_freeradius@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON radacct TO akund_freeradius@localhost;
GRANT SELECT, INSERT, UPDATE, DELETE ON nasreload TO akund_freeradius@localhost;
GRANT INSERT ON radpostauth TO akund_freeradius@localhost;
