//! Accounts in a directory, over LDAPv3: OpenLDAP, 389 Directory Server, Active Directory and Samba.
//!
//! Many operations under way on one connection, and a connection for each of two batches; a batch goes in one transaction where
//! the server can do that safely. Each entry carries akund's mark (`urn:uuid:UID akund TARGET`), and nothing without it is ever touched. What a lost answer leaves
//! open needs no memory: every batch begins by looking at what is there.

mod adopt;
mod batch;
mod check;
mod connection;
mod entry;
mod familiar;
mod fault;
mod groups;
mod layout;
mod list;
mod lock;
mod name;
mod operation;
mod plan;
mod proof;
mod rights;
mod schema;
mod server;
mod template;
mod transaction;
mod world;
mod write;

use super::{Applied, Found, Held, Target, Work};
use crate::config::target::LdapConfig;
use crate::model::{AccountUid, Action, Answer, Fault, Finding, Proof, Scheme, Secret};
use batch::WINDOW;
use connection::{Dialer, Session};
use entry::{Entry, mark};
use familiar::Familiar;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use layout::Layout;
use ldap3::Scope;
use name::{Attribute, Filter};
use operation::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use transaction::{Use, Why};
use world::World;

/// Works, or names, that one search asks about.
const ASKED_AT_ONCE: usize = 40;

/// Batches under way at once: one is written while the journal records the one before it, or its commit waits for slapd.
const AT_ONCE: usize = 2;

/// A connection that nothing was asked of for longer than this is not used again: servers close what rests, slapd at the moment when it
/// is asked something, and what lies between may have forgotten it.
const RESTED: Duration = Duration::from_secs(1);

/// A directory as a target.
pub struct Directory {
    name: String,
    services: Vec<String>,
    schemes: Vec<Scheme>,
    layout: Layout,
    dialer: Dialer,
    transactions: bool,
    /// Once the server did not show in time that it was through with a transaction's operations.
    doubted: AtomicBool,
    proofs: usize,
    /// Connections of earlier batches that were good when they were given back, and when that was.
    kept: Mutex<Vec<(Instant, Open)>>,
}

/// A connection on which akund is bound, and what the server offers on it.
struct Open {
    session: Session,
    batches: Use,
    familiar: Familiar,
}

/// What is wrong with a configuration's names and templates: the key, and a sentence.
pub fn layout_problems(config: &LdapConfig) -> Vec<(&'static str, String)> {
    Layout::read(config).err().unwrap_or_default()
}

impl Directory {
    /// Reads the configuration, the CA file and the password; connects to nothing.
    ///
    /// # Errors
    /// Permanent: what of it cannot be used.
    pub fn configured(
        name: &str,
        config: &LdapConfig,
        read_secret: &dyn Fn(&Path) -> Result<Secret, String>,
    ) -> Result<Self, Fault> {
        let wrong = |what: String| Fault::permanent(format!("[target.{name}]: {what}"));
        if let Some((_, problem)) = config.problems().into_iter().next() {
            return Err(wrong(problem));
        }
        let mut layout = Layout::read(config)
            .map_err(|found| wrong(found.into_iter().map(|(_, what)| what).collect::<Vec<_>>().join("; ")))?;
        layout.target = name.into();
        Ok(Self {
            name: name.into(),
            services: config.services.clone(),
            schemes: config.schemes(),
            layout,
            dialer: Dialer::new(config, read_secret).map_err(wrong)?,
            transactions: config.transactions,
            doubted: AtomicBool::new(false),
            proofs: config.proofs,
            kept: Mutex::default(),
        })
    }

    /// A connection of an earlier batch, or a new one. Nobody else has it until it is [kept](Self::keep) again.
    async fn open(&self) -> Result<Open, Fault> {
        while let Some((since, mut open)) = self.kept().pop() {
            if since.elapsed() < RESTED && !open.session.ended() {
                return Ok(open);
            }
        }
        let mut session = self.dialer.open().await?;
        let root = session.entry("", &transaction::ROOT).await?;
        let batches = match root {
            Some(root) => Use::on(&mut session, &root, self.transactions, &self.layout.base).await,
            None => Use::Singly(Why::NotOffered),
        };
        Ok(Open { session, batches, familiar: Familiar::default() })
    }

    /// For a later batch.
    fn keep(&self, open: Open) {
        let mut kept = self.kept();
        if kept.len() < AT_ONCE {
            kept.push((Instant::now(), open));
        }
    }

    /// Instead of [`Self::keep`], after something went wrong: this connection, and those kept, may be dead without saying so.
    fn give_up(&self, open: Open) {
        drop(open);
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(Instant, Open)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything there that concerns these works: entries with their marks and ids, and whoever has their names.
    async fn look(&self, session: &Session, works: &[&Work]) -> Result<World, Fault> {
        let asked = self.layout.asked();
        let filters: Vec<Filter> = works
            .chunks(ASKED_AT_ONCE)
            .filter_map(|chunk| Filter::any(chunk.iter().flat_map(|work| self.concerning(work))))
            .collect();
        let mut world = self.search(session, &filters, &asked).await?;
        let claimed = works.iter().filter(|work| claims_names(work)).flat_map(|work| plan::names(&work.account));
        let claimed: BTreeSet<String> = claimed.collect();
        let own = |entry: &Entry| {
            let (uid, id) = (entry.uid(&self.layout.marker), entry.id(self.layout.server));
            works.iter().any(|work| uid == Some(work.account.uid) || (id.is_some() && id == work.external_id))
        };
        self.look_closer(session, &mut world, &claimed, own, &asked).await?;
        Ok(world)
    }

    /// A server compares as its schema says, which may take more for the same than akund does: blanks, other forms of a letter,
    /// values that akund may search but not read. If it found an entry in which akund sees none of the names, each name is
    /// asked about by itself, and whatever is found has it.
    async fn look_closer(
        &self,
        session: &Session,
        world: &mut World,
        names: &BTreeSet<String>,
        own: impl Fn(&Entry) -> bool,
        asked: &[&str],
    ) -> Result<(), Fault> {
        if !world.entries().any(|entry| !own(entry) && !World::shows_one_of(entry, names, &self.layout)) {
            return Ok(());
        }
        let base = self.layout.search_base.as_str();
        let mut searches = Vec::with_capacity(names.len());
        for name in names {
            let (mut session, filter) = (session.clone(), Filter::any(self.layout.holders([name.as_str()])));
            searches.push(async move {
                let Some(filter) = filter else { return Ok::<_, Fault>((name, Vec::new())) };
                Ok((name, session.search(base, Scope::Subtree, filter.as_str(), asked).await?))
            });
        }
        let found: Vec<(&String, Vec<Entry>)> = stream::iter(searches).buffered(WINDOW).try_collect().await?;
        for (name, entries) in found {
            entries.into_iter().for_each(|entry| world.put_as(name, entry, &self.layout));
        }
        Ok(())
    }

    /// Just the entries that carry these works' marks, with what tells their ids.
    async fn look_for_marks(&self, session: &Session, works: &[&Work]) -> Result<World, Fault> {
        let filters: Vec<Filter> = works
            .chunks(ASKED_AT_ONCE)
            .filter_map(|chunk| Filter::any(chunk.iter().map(|work| self.marked(work))))
            .collect();
        self.search(session, &filters, &[self.layout.marker.as_str(), server::id_attribute(self.layout.server)]).await
    }

    async fn search(&self, session: &Session, filters: &[Filter], asked: &[&str]) -> Result<World, Fault> {
        let base = self.layout.search_base.as_str();
        let mut searches = Vec::with_capacity(filters.len());
        for filter in filters {
            let mut session = session.clone();
            searches.push(async move { session.search(base, Scope::Subtree, filter.as_str(), asked).await });
        }
        let found: Vec<Vec<Entry>> = stream::iter(searches).buffered(WINDOW).try_collect().await?;
        Ok(World::of(found.into_iter().flatten(), &self.layout))
    }

    fn concerning(&self, work: &Work) -> Vec<Filter> {
        let mut filters = vec![self.marked(work)];
        if let Some(id) = &work.external_id {
            let attribute = Attribute::known(server::id_attribute(self.layout.server));
            filters.push(Filter::equal(&attribute, &server::id_bytes(self.layout.server, id)));
        }
        if claims_names(work) {
            let names = plan::names(&work.account);
            filters.extend(self.layout.holders(names.iter().map(String::as_str)));
        }
        filters
    }

    fn marked(&self, work: &Work) -> Filter {
        self.mark_of(work.account.uid)
    }

    fn mark_of(&self, uid: AccountUid) -> Filter {
        Filter::equal(&self.layout.marker, Value::text(mark(uid, &self.layout.target)).bytes())
    }

    async fn find_names(&self, names: &[String]) -> Result<Vec<Found>, Fault> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let open = self.open().await?;
        let found = self.find_through(&open.session, names).await;
        match &found {
            Ok(_) => self.keep(open),
            Err(_) => self.give_up(open),
        }
        found
    }

    async fn find_through(&self, session: &Session, names: &[String]) -> Result<Vec<Found>, Fault> {
        let filters: Vec<Filter> = names
            .chunks(ASKED_AT_ONCE)
            .filter_map(|chunk| Filter::any(self.layout.holders(chunk.iter().map(String::as_str))))
            .collect();
        let mut asked: Vec<&str> = self.layout.naming().map(Attribute::as_str).collect();
        asked.push(self.layout.marker.as_str());
        let mut world = self.search(session, &filters, &asked).await?;
        let all: BTreeSet<String> = names.iter().cloned().collect();
        self.look_closer(session, &mut world, &all, |_| false, &asked).await?;
        let mut found = BTreeMap::new();
        for name in names {
            if let Some(entry) = world.holder(name) {
                found.insert(name.clone(), entry.uid(&self.layout.marker));
            }
        }
        Ok(found.into_iter().map(|(name, uid)| Found { name, uid }).collect())
    }
}

/// Whether a work gives an account names. A reset does, where the account is made anew.
fn claims_names(work: &Work) -> bool {
    matches!(work.action, Action::Create | Action::Change | Action::Reset)
}

impl Target for Directory {
    fn name(&self) -> &str {
        &self.name
    }
    fn services(&self) -> &[String] {
        &self.services
    }
    fn schemes(&self) -> &[Scheme] {
        &self.schemes
    }
    fn at_once(&self) -> usize {
        AT_ONCE
    }
    fn find<'a>(&'a self, names: &'a [String]) -> Answer<'a, Result<Vec<Found>, Fault>> {
        Box::pin(self.find_names(names))
    }
    fn identify<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        Box::pin(self.identify_all(batch))
    }
    fn apply<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Applied, Fault>>> {
        Box::pin(async move {
            let done = self.write(batch, plan::decide).await;
            done.into_iter().map(|result| result.map(|id| Applied { external_id: id })).collect()
        })
    }
    fn prove<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<Proof, Fault>>> {
        Box::pin(self.prove_all(batch))
    }
    fn undo<'a>(&'a self, batch: &'a [Work]) -> Answer<'a, Vec<Result<(), Fault>>> {
        Box::pin(async move {
            let done = self.write(batch, plan::undo).await;
            done.into_iter().map(|result| result.map(|_| ())).collect()
        })
    }
    fn answers<'a>(&'a self) -> Answer<'a, Result<(), Fault>> {
        Box::pin(async move { self.find_names(&["akund".into()]).await.map(drop) })
    }
    fn list<'a>(&'a self) -> Answer<'a, Result<Vec<Held>, Fault>> {
        Box::pin(self.list_all())
    }
    fn marked<'a>(&'a self, uids: &'a [AccountUid]) -> Answer<'a, Result<BTreeSet<AccountUid>, Fault>> {
        Box::pin(self.marked_all(uids))
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(self.look_over())
    }
}
