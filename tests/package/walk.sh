#!/bin/bash
# In a booted Debian: installs the package and lives with it, as an office would. Each claim that holds is one line "ok CLAIM"
# in /result/claims; the first one that doesn't ends the walk, with what was to be seen.
set -uo pipefail
exec >/result/log 2>&1

claim() { echo "ok $1" >>/result/claims; }
fail() {
    echo "FAILED $1" >>/result/claims
    systemctl status akund --no-pager
    journalctl -u akund --no-pager | tail -n 60
    finish
}
finish() {
    systemctl poweroff
    exit 0
}
# until_true "WHAT" COMMAND…: the condition comes true in good time.
until_true() {
    local what=$1 end=$((SECONDS + 120))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || fail "$what"
        sleep 0.2
    done
}
is() { [[ $(systemctl show --property="$1" --value akund) == "$2" ]]; }
pid() { systemctl show --property=MainPID --value akund; }
as() { setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups -- "${@:2}"; }
# Another process than this one is active, asked for at once: in between the answers would not be of one moment.
ready() {
    local state
    state=$(systemctl show --property=MainPID,ActiveState akund | sort)
    [[ $state == $'ActiveState=active\nMainPID='* && $state != *"MainPID=$1" && $state != *MainPID=0 ]]
}

# One approved request of office humas.
record() {
    cat <<END
akund = 1
id = "$1"
procedure = "generic"
[applicant]
name = "Biro $2"
category = "unit"
unit = "Biro $2"
[responsible]
name = "Budi Santoso"
identifier = "198501012015041003"
email = "budi@example.org"
[account]
address = "$2@example.ac.id"
[[document]]
kind = "form"
date = $(date +%F)
signed_by = "Kepala Biro"
[[document]]
kind = "letter"
number = "$1"
date = $(date +%F)
signed_by = "Kepala Biro"
[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "approved"
at = $(date -d '-1 hour' +%FT%T+00:00)
END
}
# What the README says is to be typed.
typed() { bash -euo pipefail "/commands/$1"; }
outcome() { grep -q "\"state\": *\"$2\"" "/var/spool/akund/outcome/humas/generic/$1@1.json"; }

export DEBIAN_FRONTEND=noninteractive
groupadd humas
useradd -M -g humas portal

# --- Installed: nothing starts by itself.
cd /clone
typed package >/result/installed || fail "apt install"
grep -q "akund-as-service check" /result/installed || fail "it says what to do next"
! systemctl is-active --quiet akund && ! systemctl is-enabled --quiet akund || fail "not started"
[[ $(stat -c '%a %U' /etc/akund/secrets) == "700 root" ]] || fail "secrets are root's"
[[ $(stat -c '%a %U' /var/spool/akund/incoming) == "2771 akund" ]] || fail "the spool"
claim "it is installed, starts nothing and says what to do next"

# --- A mistake in the configuration keeps it down, with the reason.
echo 'nonsense = 1' >>/etc/akund/akund.toml
systemctl start akund && fail "it started with a mistake in its configuration"
until_true "it stays down" is ActiveState failed
is ExecMainStatus 78 && is NRestarts 0 || fail "it spins"
journalctl -u akund --no-pager | grep -q nonsense || fail "the reason is not told"
sed -i '/^nonsense/d' /etc/akund/akund.toml
systemctl reset-failed akund
claim "a bad configuration keeps it down and the status says why"

# --- Configured, as akund(8) says. Notices go into a directory: there is no mail server here.
cp /usr/share/akund/procedures/generic.toml /etc/akund/procedures/
sed -i 's/^\[channel\.email\]$/[channel.local]/; s/^name = "local"$/name = "humas"\nowners = ["portal"]/' /etc/akund/akund.toml
cat >/etc/akund/conf.d/email.toml <<'END'
[channel.email]
kind = "outbox"
path = "/var/lib/akund/outbox"
from = "Layanan Akun <akun@example.org>"
END
(umask 077; head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \n' >/etc/akund/secrets/akund-key)
mkdir -p /etc/systemd/system/akund.service.d
cat >/etc/systemd/system/akund.service.d/office.conf <<'END'
[Service]
LoadCredential=akund-key:/etc/akund/secrets/akund-key
SupplementaryGroups=humas
WatchdogSec=5
END
echo 'd /var/spool/akund/incoming/humas 2770 akund humas -' >/etc/tmpfiles.d/akund-sources.conf
systemd-tmpfiles --create /etc/tmpfiles.d/akund-sources.conf
systemctl daemon-reload
akund-as-service check >/result/check 2>&1 || { cat /result/check; fail "check as the service"; }
# Only the service's credential is this key.
grep -q "key: .* can be read" /result/check || fail "check does not see the credential"
akund-as-service submit --dry-run /nonexistent.toml >/dev/null 2>&1
(($? == 65 || $? == 74)) || fail "the exit status of a command as the service"
[[ -z $(ls /run/systemd/system | grep akund-once) ]] || fail "a unit is left behind"
claim "check runs with the service's user, sandbox and credentials"

# --- Started; a member of the source's group drops an approved file.
systemctl enable --now akund || fail "it does not start"
is ActiveState active || fail "not active"
record B-1 humas | as portal tee /var/spool/akund/incoming/humas/.b1.tmp >/dev/null || fail "portal may not write"
as portal mv /var/spool/akund/incoming/humas/.b1.tmp /var/spool/akund/incoming/humas/b1.toml
until_true "the request is done" outcome B-1 done
as portal cat /var/spool/akund/outcome/humas/generic/B-1@1.json >/dev/null || fail "portal may not read its outcome"
(($(ls /var/lib/akund/outbox | wc -l) == 1)) || fail "one notice"
claim "an approved file dropped by a member of the source's group becomes an account"

# --- Secrets.
for secret in /etc/akund/secrets/akund-key /var/lib/akund/journal.db /var/lib/akund/outbox /run/credentials/akund.service/akund-key \
    /run/akund/control.sock /var/spool/akund/accepted "/proc/$(pid)/environ" "/proc/$(pid)/mem"; do
    as portal cat "$secret" >/dev/null 2>&1 && fail "portal reads $secret"
    as portal ls "$secret/" >/dev/null 2>&1 && fail "portal lists $secret"
done
[[ ! -e /var/lib/akund/journal.key ]] || fail "a key beside the journal although a credential has it"
claim "nobody else reads its secrets, its journal or its notices"

# --- Killed, frozen.
before=$(pid)
kill -9 "$before"
until_true "it is started again after kill -9" ready "$before"
claim "it is started again after kill -9"
before=$(pid)
kill -STOP "$before"
until_true "the watchdog starts it again" ready "$before"
journalctl -u akund --no-pager | grep -qi watchdog || fail "not by the watchdog"
claim "the watchdog starts it again when it hangs"
systemctl reset-failed akund

# --- An upgrade under load, with an edited file of the package's.
{
    echo "akund;id;procedure;applicant.name;applicant.category;applicant.identifier;applicant.unit;applicant.email;approval.1.role;approval.1.by;approval.1.decision;approval.1.at"
    for n in $(seq 1000 1299); do
        echo "1;S-$n;generic;Siti Nomor$n;staff;19850101201504$n;Biro Umum;siti$n@example.org;head;Kepala;approved;$(date -d '-1 hour' +%FT%T+00:00)"
    done
} >/tmp/many.csv
before=$(pid)
install -o portal -g humas -m 640 /tmp/many.csv /var/spool/akund/incoming/humas/.many.tmp
mv /var/spool/akund/incoming/humas/.many.tmp /var/spool/akund/incoming/humas/many.csv
until_true "the work begins" outcome S-1000 done
dpkg -i --force-confold /next/akund_*.deb || fail "dpkg -i of the next version"
until_true "the new version runs" ready "$before"
[[ $(dpkg-query -W -f '${Version}' akund) == *-2 ]] || fail "not the second package"
grep -q '^name = "humas"' /etc/akund/akund.toml || fail "the edited configuration is gone"
until_true "all are done" eval '(($(grep -l "\"state\": *\"done\"" /var/spool/akund/outcome/humas/generic/S-*@1.json | wc -l) == 300))'
(($(ls /var/lib/akund/outbox | wc -l) == 301)) || fail "$(ls /var/lib/akund/outbox | wc -l) notices of 301"
(($(grep -h '^To:' /var/lib/akund/outbox/*.eml | sort | uniq -d | wc -l) == 0)) || fail "somebody was told twice"
akund audit verify || fail "the audit record"
claim "an upgrade under load loses nothing and keeps the edited configuration"

# --- Flat files for Postfix, in the sandbox with its drop-in.
cat >/etc/akund/conf.d/files.toml <<'END'
[target.files]
kind = "map-files"
passwd = "/var/lib/akund/dovecot/passwd"
mailboxes = "hash:/var/lib/akund/postfix/mailboxes"
aliases = "lmdb:/var/lib/akund/postfix/aliases"
domains = "hash:/var/lib/akund/postfix/domains"
END
cp /usr/share/akund/systemd/map-files.conf /etc/systemd/system/akund.service.d/
systemctl daemon-reload
akund-as-service check || fail "check with map files"
systemctl restart akund || fail "it does not start with map files"
record B-2 keuangan | as portal tee /var/spool/akund/incoming/humas/.b2.tmp >/dev/null
as portal mv /var/spool/akund/incoming/humas/.b2.tmp /var/spool/akund/incoming/humas/b2.toml
until_true "the account in map files is done" outcome B-2 done
[[ $(postmap -q keuangan@example.ac.id hash:/var/lib/akund/postfix/mailboxes) ]] || fail "postmap -q"
claim "map files are made with postmap inside the sandbox with its drop-in"

# --- The register beside the targets, with the service's credentials; a backup, and putting it back as the runbook has it.
akund-as-service reconcile >/result/reconciled 2>&1 || { cat /result/reconciled; fail "reconcile as the service"; }
mkdir /var/backups/akund
akund journal backup /var/backups/akund/journal.db >/result/backup || fail "akund journal backup"
[[ $(stat -c %a /var/backups/akund/journal.db) == 600 ]] && grep -q akund-key /result/backup || fail "the backup, and where the key is"
record B-9 pascacadangan | as portal tee /var/spool/akund/incoming/humas/.b9.tmp >/dev/null
as portal mv /var/spool/akund/incoming/humas/.b9.tmp /var/spool/akund/incoming/humas/b9.toml
until_true "a request that the backup does not know is done" outcome B-9 done
told=$(ls /var/lib/akund/outbox | wc -l)
systemctl stop akund
(cd /var/lib/akund && mkdir old && mv journal.db* old/)
install -o akund -g akund -m 0640 /var/backups/akund/journal.db /var/lib/akund/journal.db
systemctl start akund || fail "it does not start with a backup put back"
[[ $(systemctl show --property=StatusText --value akund) == *"akund unpause"* ]] || fail "the status does not say that it is paused"
akund journal unknown >/result/unknown && fail "nothing is said to be unknown"
grep -q b9.toml /result/unknown || fail "what came since is not named"
akund unpause --reason "looked at" || fail "akund unpause"
for file in $(akund journal unknown --paths); do
    install -o portal -g humas -m 0640 "$file" /var/spool/akund/incoming/humas/.again.tmp
    mv /var/spool/akund/incoming/humas/.again.tmp "/var/spool/akund/incoming/humas/again-${file##*/}"
done
until_true "it takes up the account that it had made" eval 'akund list --state done --most 1000 | grep -q B-9'
(($(ls /var/lib/akund/outbox | wc -l) == told + 1)) || fail "more than the one notice that was ordered anew"
akund audit verify || fail "the audit record after a backup was put back"
akund-as-service reconcile || fail "reconcile after a backup was put back"
rm -r /var/backups/akund
claim "the register agrees with the targets, and a backup put back starts paused and doubles nothing"

# --- Removed, purged.
dpkg -r akund || fail "dpkg -r"
! systemctl is-active --quiet akund || fail "it still runs"
[[ -e /etc/akund/akund.toml && -e /var/lib/akund/journal.db ]] || fail "removal took more than the program"
dpkg -P akund >/result/purged || fail "dpkg -P"
grep -q /var/spool/akund /result/purged || fail "it does not say what stays"
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /result -o -path /clone -o -path /next -o -path /var/lib/akund -o -path /var/spool/akund \
    -o -path /var/log/journal -o -path /run/log \) -prune -o -iname '*akund*' -print | grep -v -e '^/etc/systemd/system/akund.service.d' -e '^/etc/tmpfiles.d/akund-sources' -e '^/var/lib/akund$' -e '^/var/spool/akund$')
[[ -z $left ]] || fail "left after purge: $left"
[[ -e /var/lib/akund/journal.db ]] || fail "the journal is gone"
claim "purge leaves the records that it names, and nothing else"

# --- By hand, as in the README; the configuration as before.
rm -r /var/lib/akund /var/spool/akund /etc/systemd/system/akund.service.d /etc/tmpfiles.d/akund-sources.conf
typed install || fail "installing by hand"
sed -i 's/^\[channel\.email\]$/[channel.local]/' /etc/akund/akund.toml
cat >/etc/akund/conf.d/email.toml <<'END'
[channel.email]
kind = "outbox"
path = "/var/lib/akund/outbox"
from = "Layanan Akun <akun@example.org>"
END
typed key >/result/key 2>&1 || { cat /result/key; fail "the key and the check"; }
typed start || fail "starting"
record B-3 arsip >/tmp/b3.toml
akund submit /tmp/b3.toml || fail "akund submit"
until_true "the request handed in by root is done" grep -q '"state": *"done"' /var/spool/akund/outcome/local/generic/B-3@1.json
typed send-to || fail "the test notice"
(($(ls /var/lib/akund/outbox | wc -l) == 2)) || fail "a notice and the test notice"
claim "installed by hand as the README has it, it makes an account and sends a test notice"
echo "all" >>/result/claims
finish
