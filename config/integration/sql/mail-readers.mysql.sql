-- Who reads akund's mail accounts, and no more than each needs. Load it into akund_mail after akund has made its tables, as an
-- administrator, with passwords of your own and the servers' hosts in place of localhost.
CREATE USER akund_postfix@localhost IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT (domain) ON domains TO akund_postfix@localhost;
GRANT SELECT (address, ends_at) ON mailboxes TO akund_postfix@localhost;
GRANT SELECT (address, destination) ON aliases TO akund_postfix@localhost;
CREATE USER akund_dovecot@localhost IDENTIFIED BY 'CHANGE-ME';
GRANT SELECT (address, password, home, quota, enabled, ends_at) ON mailboxes TO akund_dovecot@localhost;
