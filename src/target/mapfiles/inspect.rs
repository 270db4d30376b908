//! `check` of the files: looks, and changes nothing, so that it may run beside the daemon or without it.

use super::Shared;
use super::accounts::{Maps, Which};
use super::disk::{Disk, Snapshot};
use super::sheet::Interest;
use crate::durable;
use crate::model::Finding;
use crate::sql::inspect::reachable;
use nix::unistd::{AccessFlags, access};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// All findings about the four files.
pub fn inspect(shared: &Shared) -> Vec<Finding> {
    let disk = &shared.disk;
    let mut findings = Vec::new();
    for which in Which::ALL {
        findings.push(writable(disk, which));
        findings.extend(readable(disk, which));
    }
    findings.extend(types(disk));
    findings.extend(reloads(disk));
    match disk.read() {
        Ok(mut snapshot) => findings.extend(contents(disk, &mut snapshot)),
        Err(fault) => findings.push(Err(fault.message)),
    }
    findings
}

fn writable(disk: &Disk, which: Which) -> Finding {
    let path = disk.path(which);
    let wanted = durable::parent(path);
    let dir = path.ancestors().skip(1).find(|dir| dir.is_dir()).unwrap_or(Path::new("."));
    match access(dir, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK) {
        Err(e) => Err(format!(
            "{} is written by a rename, and akund's user may not write its directory {}: {e}. Give akund a directory \
             of its own for it",
            path.display(),
            wanted.display()
        )),
        Ok(()) if !path.exists() => Ok(format!("{} will be made when akund starts", path.display())),
        Ok(()) => access(path, AccessFlags::R_OK)
            .map(|()| format!("akund can read and replace {}", path.display()))
            .map_err(|e| format!("akund's user may not read {}: {e}", path.display())),
    }
}

/// Says who can read what a server reads, and finds the directory that stands in their way.
fn readable(disk: &Disk, which: Which) -> Option<Finding> {
    let path = disk.index(which).unwrap_or_else(|| disk.path(which).to_owned());
    let meta = fs::metadata(&path).ok()?;
    let readers = match which {
        Which::Passwd => {
            "Dovecot's auth process reads it as user and group dovecot: give its directory that group and mode 2750"
        }
        _ => {
            "Postfix reads it as user and group postfix, without further groups: give its directory that group and mode 2750"
        }
    };
    Some(reachable(&path, &meta, readers))
}

/// Whether Postfix can make and read maps of each type: tried on a small one.
fn types(disk: &Disk) -> Vec<Finding> {
    let mut kinds: Vec<_> = disk.maps.iter().map(|map| map.kind).collect();
    kinds.sort();
    kinds.dedup();
    let each = kinds.into_iter().map(|kind| match disk.postmap.works(kind) {
        Ok(()) => Ok(format!("postmap makes and reads {} maps", kind.as_str())),
        Err(why) => Err(why),
    });
    each.collect()
}

fn reloads(disk: &Disk) -> Option<Finding> {
    let texthash = disk.maps.iter().find(|map| map.kind.suffix().is_none())?;
    Some(match disk.reload.as_deref() {
        None => Err(format!(
            "a running Postfix does not read {texthash} again until it is reloaded: set reload to a command that does it, or to \
             [] if something else does; or use hash, lmdb or cdb"
        )),
        Some([]) => Ok("something other than akund reloads Postfix after a change".into()),
        Some([program, ..]) => Ok(format!("{program} reloads Postfix after a change")),
    })
}

fn contents(disk: &Disk, snapshot: &mut Snapshot) -> Vec<Finding> {
    let stale: Vec<Which> = Which::ALL.into_iter().filter(|which| snapshot.is_stale(*which)).collect();
    let (texts, _) = snapshot.take_texts();
    let keys = Interest { everything: true, ..Interest::default() };
    let (maps, _) = Maps::read(texts, keys);
    let mut findings = Vec::new();
    if let Err(fault) = disk.believe(snapshot, &maps) {
        findings.push(Err(fault.message));
    }
    for which in Which::ALL {
        let path = disk.path(which).display();
        let count = maps.sheet(which).count();
        findings.push(Ok(format!("{path} has {} entries, {} of them akund's", count.entries, count.own)));
        if count.stray_marks > 0 {
            findings.push(Err(format!(
                "{path} has {} marks of akund's (`# akund …`) that do not stand directly above the entry that they name; such \
                 an entry counts as somebody else's",
                count.stray_marks
            )));
        }
        findings.extend(twice(disk, &maps, which));
        if stale.contains(&which) {
            findings.push(Err(format!(
                "the index of {path} was not made from it as it is now; akund makes it anew when it starts and with the next \
                 batch, or run postmap"
            )));
        } else if let Some(map) = disk.map(which).filter(|map| map.kind.suffix().is_some()) {
            let holds = disk.postmap.holds(map.kind, &map.path, maps.sheet(which).text());
            findings.extend(holds.err().map(|why| Err(format!("{why} Run postmap on it"))));
        }
    }
    findings
}

/// Keys that stand twice: Postfix takes the first one, Dovecot the last.
fn twice(disk: &Disk, maps: &Maps, which: Which) -> Option<Finding> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for entry in maps.sheet(which).all().filter(|entry| entry.is_seen()) {
        *seen.entry(entry.key.to_ascii_lowercase()).or_default() += 1;
    }
    let twice = seen.values().filter(|times| **times > 1).count();
    (twice > 0)
        .then(|| Err(format!("{} has {twice} keys more than once; delete all but one", disk.path(which).display())))
}
