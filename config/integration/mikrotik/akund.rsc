# MikroTik RouterOS 7 (6.43 and later take the same): a hotspot that asks FreeRADIUS, and lets akund end sessions.
# Change the addresses, the secrets and the names of server and profile, then: /import akund.rsc
# Not tried by akund's tests, which have no RouterOS.

# FreeRADIUS answers log-ins and takes the accounting (its clients.conf needs this router with the same secret).
# RouterOS 7.15 and later: require-message-auth=yes-for-request-resp refuses answers that are not signed.
/radius
add service=hotspot address=10.0.0.10 secret=CHANGE-ME-RADIUS timeout=3s comment="FreeRADIUS"

# akund's host, so that its Disconnect-Requests (RFC 5176) are taken: the secret is that of `secret_file` under [[target.NAME.nas]]. Where
# akund runs on FreeRADIUS's host, the entry above is enough. The router also asks this one when FreeRADIUS is silent; nobody answers there.
add service=hotspot address=10.0.0.20 secret=CHANGE-ME-NAS comment="akund, Disconnect only"

/radius incoming
set accept=yes port=3799

# The hotspot asks RADIUS, by PAP over HTTPS or by CHAP. With hashes in radcheck only PAP will do: passwords then reach the router in its
# log-in form, so give it a certificate (login-by=https).
/ip hotspot profile
set [find name=default] use-radius=yes login-by=https,http-pap radius-accounting=yes radius-interim-update=5m

# Only FreeRADIUS and akund may reach the port for Disconnect-Requests.
/ip firewall filter
add chain=input protocol=udp dst-port=3799 src-address=10.0.0.20 action=accept comment="akund: Disconnect-Request"
add chain=input protocol=udp dst-port=3799 action=drop comment="nobody else ends sessions"
