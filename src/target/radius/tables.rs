//! Reading the RADIUS tables, and writing what has changed. Runs inside the caller's transaction.

use super::RadiusTables;
use super::attributes::Place;
use super::held::{Known, Membership, Pair};
use super::picture::Picture;
use crate::model::AccountUid;
use crate::sql::{Engine, Row, Session, Trouble, Value, many};
use crate::target::{Found, Held, HeldState};
use std::collections::{BTreeMap, BTreeSet};

const ACCOUNT: &str = "uid, username, groupname, suspended, held_attribute, held_value";

/// The tables, for each engine.
pub fn ddl(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => include_str!("../../../config/integration/sql/radius.sqlite.sql"),
        Engine::Postgres => include_str!("../../../config/integration/sql/radius.postgresql.sql"),
        Engine::MariaDb => include_str!("../../../config/integration/sql/radius.mysql.sql"),
    }
}

pub fn find(db: &mut dyn Session, names: &[String]) -> Result<Vec<Found>, Trouble> {
    let key = db.engine().folded("username");
    let mut found: BTreeMap<String, Option<AccountUid>> = BTreeMap::new();
    for table in ["radcheck", "radreply", "radusergroup"] {
        let select = format!("SELECT DISTINCT username FROM {table}");
        found.extend(many::select_named(db, &select, &key, names, 0, "")?.into_iter().map(|(name, _)| (name, None)));
    }
    for (name, mut row) in many::select_named(db, "SELECT username, uid FROM akund_account", &key, names, 0, "")? {
        found.insert(name, row.text(1)?.parse().ok().map(AccountUid));
    }
    Ok(found.into_iter().map(|(name, uid)| Found { name, uid }).collect())
}

/// Every user that FreeRADIUS checks, and every account of akund's, whether or not it has rows.
pub fn list(db: &mut dyn Session) -> Result<Vec<Held>, Trouble> {
    let mut users: BTreeMap<String, (String, Option<AccountUid>)> = BTreeMap::new();
    let (mut checked, mut kept_out) = (BTreeSet::new(), BTreeSet::new());
    // The attributes by which somebody gets in, by user.
    let mut opens: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mut row in db.rows("SELECT username, attribute, value FROM radcheck ORDER BY id", &[])? {
        let pair =
            Pair { id: None, name: row.text(0)?, attribute: row.text(1)?, op: String::new(), value: row.secret(2)? };
        let key = pair.name.to_ascii_lowercase();
        if pair.is_password() {
            opens.entry(key.clone()).or_default().push(pair.attribute);
        } else if pair.is_reject() {
            kept_out.insert(key.clone());
        } else if pair.is("Auth-Type") && pair.value.expose().eq_ignore_ascii_case("Accept") {
            opens.entry(key.clone()).or_default().push("Auth-Type := Accept".into());
        }
        checked.insert(key.clone());
        users.entry(key).or_insert((pair.name, None));
    }
    let mut suspended = BTreeSet::new();
    for mut row in db.rows("SELECT username, uid, suspended FROM akund_account", &[])? {
        let (name, uid) = (row.text(0)?, row.text(1)?);
        let key = name.to_ascii_lowercase();
        if row.integer(2)? != 0 {
            suspended.insert(key.clone());
        }
        users.insert(key, (name, uid.parse().ok().map(AccountUid)));
    }
    let held = users.into_iter().map(|(key, (name, uid))| {
        let state = match checked.contains(&key) {
            true => HeldState::of(!opens.contains_key(&key) || kept_out.contains(&key)),
            // FreeRADIUS knows no user without a row in radcheck: nobody has suspended this one.
            false => HeldState::Gone,
        };
        let ways = opens.get(&key).map_or(&[][..], Vec::as_slice);
        let way_in = way_in(ways, suspended.contains(&key)).filter(|_| uid.is_some());
        Held { name, uid, external_id: None, state, way_in }
    });
    Ok(held.collect())
}

/// An account has one password row, and none while it is suspended. FreeRADIUS takes the first it reads, whoever wrote it.
fn way_in(ways: &[String], suspended: bool) -> Option<String> {
    let rows = ways.join(", ");
    match (ways, suspended) {
        ([], _) | ([_], false) => None,
        (_, true) => Some(format!(
            "suspended, and radcheck has what akund did not write for its user name, by which it would open: {rows}"
        )),
        (_, false) => Some(format!(
            "radcheck has more than akund's one password for its user name, and FreeRADIUS takes the first: {rows}"
        )),
    }
}

/// Which of these accounts there are.
pub fn marked(db: &mut dyn Session, uids: &[String]) -> Result<Vec<String>, Trouble> {
    let rows = many::select(db, "SELECT uid FROM akund_account", "uid", &values(uids), "")?;
    rows.into_iter().map(|mut row| row.text(0)).collect()
}

pub fn load(
    db: &mut dyn Session,
    picture: &mut Picture,
    mut names: BTreeSet<String>,
    mut groups: BTreeSet<String>,
    settings: &RadiusTables,
) -> Result<(), Trouble> {
    let uids = values(picture.accounts.keys());
    for row in many::select(db, &format!("SELECT {ACCOUNT} FROM akund_account"), "uid", &uids, "")? {
        let (uid, known) = known(row)?;
        names.insert(known.username.to_ascii_lowercase());
        picture.accounts.entry(uid).or_default().before = Some(known);
    }
    for mut row in many::select(db, "SELECT uid, place, attribute FROM akund_attribute", "uid", &uids, "")? {
        let (uid, place, attribute) = (row.text(0)?, row.text(1)?, row.text(2)?);
        let known = picture.accounts.get_mut(&uid).and_then(|own| own.before.as_mut());
        if let (Some(known), Some(place)) = (known, Place::of_word(&place)) {
            known.written.insert((place, attribute));
        }
    }
    load_names(db, picture, &names.into_iter().collect::<Vec<_>>())?;
    let memberships = picture.names.values().flat_map(|named| &named.memberships);
    groups.extend(memberships.map(|membership| membership.groupname.clone()));
    load_groups(db, picture, &groups, settings)
}

fn load_names(db: &mut dyn Session, picture: &mut Picture, names: &[String]) -> Result<(), Trouble> {
    let key = db.engine().folded("username");
    for (name, mut row) in many::select_named(db, "SELECT username, uid FROM akund_account", &key, names, 0, "")? {
        picture.names.entry(name).or_default().holders.push(row.text(1)?);
    }
    for (place, table) in [(Place::Check, "radcheck"), (Place::Reply, "radreply")] {
        let select = format!("SELECT id, username, attribute, op, value FROM {table}");
        for (name, row) in many::select_named(db, &select, &key, names, 1, "ORDER BY id")? {
            let pair = pair(row)?;
            let named = picture.names.entry(name).or_default();
            named.pairs.entry(place).or_default().push(pair);
        }
    }
    let select = "SELECT username, groupname FROM radusergroup";
    for (name, mut row) in many::select_named(db, select, &key, names, 0, "ORDER BY priority")? {
        let (username, groupname) = (row.text(0)?, row.text(1)?);
        let named = picture.names.entry(name).or_default();
        named.memberships.push(Membership { read_as: Some(username.clone()), username, groupname });
    }
    Ok(())
}

/// What groups check; and for those with a profile in the configuration, all that is said of them.
fn load_groups(
    db: &mut dyn Session,
    picture: &mut Picture,
    groups: &BTreeSet<String>,
    settings: &RadiusTables,
) -> Result<(), Trouble> {
    let select = "SELECT id, groupname, attribute, op, value FROM radgroupcheck";
    for row in many::select(db, select, "groupname", &values(groups), "ORDER BY id")? {
        let pair = pair(row)?;
        picture.groups.entry(pair.name.clone()).or_default().pairs.entry(Place::Check).or_default().push(pair);
    }
    let profiles = values(groups.iter().filter(|group| settings.profiles.contains_key(*group)));
    let select = "SELECT id, groupname, attribute, op, value FROM radgroupreply";
    for row in many::select(db, select, "groupname", &profiles, "ORDER BY id")? {
        let pair = pair(row)?;
        picture.groups.entry(pair.name.clone()).or_default().pairs.entry(Place::Reply).or_default().push(pair);
    }
    for mut row in many::select(db, "SELECT groupname FROM akund_profile", "groupname", &profiles, "")? {
        picture.groups.entry(row.text(0)?).or_default().ours = true;
    }
    Ok(())
}

fn known(mut row: Row) -> Result<(String, Known), Trouble> {
    let held_attribute = row.maybe_text(4)?;
    let held = match held_attribute {
        Some(attribute) => Some((attribute, row.secret(5)?)),
        None => None,
    };
    let known = Known {
        username: row.text(1)?,
        groupname: row.maybe_text(2)?,
        suspended: row.integer(3)? != 0,
        held,
        written: BTreeSet::new(),
    };
    Ok((row.text(0)?, known))
}

fn pair(mut row: Row) -> Result<Pair, Trouble> {
    Ok(Pair {
        id: row.maybe_integer(0)?,
        name: row.text(1)?,
        attribute: row.text(2)?,
        op: row.text(3)?,
        value: row.secret(4)?,
    })
}

/// Writes what has changed: first what goes, by number or under the name with which it was read; then new names.
pub fn store(db: &mut dyn Session, picture: &Picture) -> Result<(), Trouble> {
    for (place, table) in [(Place::Check, "radcheck"), (Place::Reply, "radreply")] {
        delete_rows(db, table, picture.gone.get(&place))?;
    }
    for (username, groupname) in &picture.left {
        let sql = "DELETE FROM radusergroup WHERE username = ? AND groupname = ?";
        db.run(sql, &[username.into(), groupname.into()])?;
    }
    let gone: Vec<&String> = picture
        .accounts
        .iter()
        .filter(|(_, own)| own.before.is_some() && own.now.is_none())
        .map(|(uid, _)| uid)
        .collect();
    many::change(db, "DELETE FROM akund_attribute", &[], "uid", &values(gone.iter().copied()))?;
    many::change(db, "DELETE FROM akund_account", &[], "uid", &values(gone))?;
    for (old, new) in &picture.renames {
        for table in ["radcheck", "radreply", "radusergroup"] {
            db.run(&format!("UPDATE {table} SET username = ? WHERE username = ?"), &[new.into(), old.into()])?;
        }
    }
    store_accounts(db, picture)?;
    store_names(db, picture)?;
    store_groups(db, picture)
}

fn delete_rows(db: &mut dyn Session, table: &str, ids: Option<&Vec<i64>>) -> Result<(), Trouble> {
    let ids: Vec<Value> = ids.into_iter().flatten().map(|id| Value::from(*id)).collect();
    many::change(db, &format!("DELETE FROM {table}"), &[], "id", &ids).map(|_| ())
}

fn store_accounts(db: &mut dyn Session, picture: &Picture) -> Result<(), Trouble> {
    let mut new = Vec::new();
    let mut attributes = Vec::new();
    for (uid, own) in &picture.accounts {
        let Some(now) = &own.now else { continue };
        match &own.before {
            None => new.push(row_of(uid, now)),
            Some(before) if !before.same(now) => {
                let mut row = row_of(uid, now);
                row.push(uid.into());
                db.run(
                    "UPDATE akund_account SET uid = ?, username = ?, groupname = ?, suspended = ?, held_attribute = ?, \
                     held_value = ? WHERE uid = ?",
                    &row,
                )?;
            }
            Some(_) => {}
        }
        let before = own.before.as_ref().map(|known| &known.written);
        if before.is_some_and(|before| *before == now.written) {
            continue;
        }
        if before.is_some_and(|before| !before.is_empty()) {
            db.run("DELETE FROM akund_attribute WHERE uid = ?", &[uid.into()])?;
        }
        let rows = now.written.iter().map(|(place, name)| vec![uid.into(), place.word().into(), name.into()]);
        attributes.extend(rows);
    }
    many::insert(db, "akund_account", ACCOUNT, new)?;
    many::insert(db, "akund_attribute", "uid, place, attribute", attributes)
}

fn row_of(uid: &str, known: &Known) -> Vec<Value> {
    vec![
        uid.into(),
        (&known.username).into(),
        known.groupname.as_deref().into(),
        i64::from(known.suspended).into(),
        known.held.as_ref().map(|(attribute, _)| attribute.as_str()).into(),
        known.held.as_ref().map_or(Value::Text(None), |(_, value)| value.into()),
    ]
}

fn store_names(db: &mut dyn Session, picture: &Picture) -> Result<(), Trouble> {
    for (place, table) in [(Place::Check, "radcheck"), (Place::Reply, "radreply")] {
        let pairs = picture.names.values().filter_map(|named| named.pairs.get(&place)).flatten();
        many::insert(
            db,
            table,
            "username, attribute, op, value",
            pairs.filter(|p| p.id.is_none()).map(new_pair).collect(),
        )?;
    }
    let new = picture.names.values().flat_map(|named| &named.memberships).filter(|m| m.read_as.is_none());
    let rows = new.map(|m| vec![(&m.username).into(), (&m.groupname).into(), 1_i64.into()]);
    many::insert(db, "radusergroup", "username, groupname, priority", rows.collect())
}

fn store_groups(db: &mut dyn Session, picture: &Picture) -> Result<(), Trouble> {
    for (place, table) in [(Place::Check, "radgroupcheck"), (Place::Reply, "radgroupreply")] {
        for group in picture.groups.values() {
            delete_rows(db, table, group.gone.get(&place))?;
        }
        let pairs = picture.groups.values().filter_map(|group| group.pairs.get(&place)).flatten();
        let new = pairs.filter(|pair| pair.id.is_none()).map(new_pair);
        many::insert(db, table, "groupname, attribute, op, value", new.collect())?;
    }
    let new = picture.groups.iter().filter(|(_, group)| group.newly_ours).map(|(name, _)| vec![Value::from(name)]);
    many::insert_missing(db, "akund_profile", "groupname", new.collect())
}

fn new_pair(pair: &Pair) -> Vec<Value> {
    vec![(&pair.name).into(), (&pair.attribute).into(), (&pair.op).into(), (&pair.value).into()]
}

fn values<'t>(texts: impl IntoIterator<Item = &'t String>) -> Vec<Value> {
    texts.into_iter().map(Value::from).collect()
}
