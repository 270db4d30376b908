-- Who reads akund's mail accounts, and no more than each needs. Load it into akund_mail after akund has made its tables, as the
-- tables' owner or an administrator, with passwords of your own.
CREATE ROLE akund_postfix LOGIN PASSWORD 'CHANGE-ME';
GRANT SELECT (domain) ON domains TO akund_postfix;
GRANT SELECT (address, ends_at) ON mailboxes TO akund_postfix;
GRANT SELECT (address, destination) ON aliases TO akund_postfix;
CREATE ROLE akund_dovecot LOGIN PASSWORD 'CHANGE-ME';
GRANT SELECT (address, password, home, quota, enabled, ends_at) ON mailboxes TO akund_dovecot;
