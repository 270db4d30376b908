//! Profiles: groups whose attributes the configuration gives, and which akund therefore writes.

use super::RadiusTables;
use super::attributes::{Place, same};
use super::held::Pair;
use super::picture::Picture;
use crate::model::Fault;
use crate::target::Work;

impl Picture {
    /// A group with attributes that somebody else wrote is theirs.
    pub(super) fn refuse_foreign_profile(&self, work: &Work, settings: &RadiusTables) -> Result<(), Fault> {
        let Some(name) = settings.group(work).filter(|name| settings.profiles.contains_key(*name)) else {
            return Ok(());
        };
        let foreign = self
            .groups
            .get(name)
            .is_some_and(|group| !group.ours && group.pairs.values().any(|pairs| !pairs.is_empty()));
        if !foreign {
            return Ok(());
        }
        Err(Fault::permanent(format!(
            "account {}: the profile {name} has attributes in the configuration, and others in radgroupcheck or radgroupreply \
             that akund did not write; take one of the two away",
            work.account.uid
        )))
    }

    /// Makes the rows of the account's profile the configured ones, if it is configured.
    pub(super) fn set_profile(&mut self, work: &Work, settings: &RadiusTables) {
        let Some(name) = settings.group(work) else { return };
        let Some(wanted) = settings.profiles.get(name) else { return };
        let group = self.groups.entry(name.to_owned()).or_default();
        for place in [Place::Check, Place::Reply] {
            let pairs = group.pairs.entry(place).or_default();
            if same(&pairs.iter().collect::<Vec<_>>(), wanted.of(place)) {
                continue;
            }
            group.gone.entry(place).or_default().extend(pairs.drain(..).filter_map(|pair| pair.id));
            pairs.extend(wanted.of(place).iter().map(|attribute| Pair::of(name, attribute)));
        }
        if !std::mem::replace(&mut group.ours, true) {
            group.newly_ours = true;
        }
    }
}
