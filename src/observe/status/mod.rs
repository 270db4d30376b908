//! The status page, for people: `/`, `/request/UID`, `/style.css`, `/icon.svg`. Read-only, in Indonesian and English, without a
//! script and without anything from elsewhere.
//!
//! 1. `data` asks the journal, through a connection of its own that can only read, at most every two seconds.
//! 2. `view` makes from it what is shown: `mask`ed, in the reader's language (`words`), with pictures as numbers
//!    (`timeline`, `volume`). Pure.
//! 3. `pages` fills the templates, which escape everything.

mod data;
mod mask;
mod pages;
mod timeline;
mod view;
mod volume;
mod words;

use super::health::Health;
use super::metrics::Metrics;
use crate::journal::JournalError;
use crate::journal::read::Reader;
use crate::observe::watch::Watch;
use crate::procedure::Procedure;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data::Desk;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pages::{Frame, Page};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;
use view::Ailing;
use words::Tongue;

/// What may be loaded: the style sheet and the icon, from here. Nothing runs, nothing is sent, nobody frames it.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The procedures in force; a reload puts new ones in their place.
type Procedures = Arc<RwLock<Arc<BTreeMap<String, Arc<Procedure>>>>>;

/// Where the pages have their facts from.
#[derive(Clone)]
pub struct Source {
    /// The journal's file.
    pub journal: PathBuf,
    /// Every lane, in the order of the configuration.
    pub lanes: Vec<String>,
    /// Every outlet of outcome documents.
    pub outlets: Vec<String>,
    /// Since when a lane gets nothing done.
    pub watch: Watch,
    /// For what only this process knows: when a lane last met a fault, and whether its server answered.
    pub metrics: Metrics,
    /// What is wrong with akund itself.
    pub health: Health,
    /// For their tables of steps and their time zone.
    pub procedures: Procedures,
}

#[derive(Clone)]
struct Served {
    source: Source,
    desk: Arc<Mutex<Option<Desk>>>,
}

/// The pages.
pub fn router(source: Source) -> Router {
    let served = Served { source, desk: Arc::default() };
    Router::new()
        .route("/", get(home))
        .route("/request/{uid}", get(request))
        .route("/style.css", get(|| async { fixed("text/css; charset=utf-8", pages::STYLE) }))
        .route("/icon.svg", get(|| async { fixed("image/svg+xml", pages::ICON) }))
        .with_state(served)
}

/// How the page was asked for.
struct Wish {
    tongue: Tongue,
    /// The language was asked for by name: links keep it.
    named: bool,
    still: bool,
    path: String,
}

impl Wish {
    fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let asked = |key: &str| {
            let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(known, _)| *known == key).map(|(_, value)| value).next()
        };
        let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let lang = asked("lang").filter(|lang| ["id", "en"].contains(lang));
        Self {
            tongue: Tongue::choose(lang, accept),
            named: lang.is_some(),
            still: asked("refresh") == Some("0"),
            path: uri.path().to_owned(),
        }
    }

    fn frame(&self, at: &str) -> Frame {
        let query = |lang: Option<Tongue>, still: bool| {
            let lang = lang.map(|tongue| format!("lang={}", tongue.as_str()));
            let parts: Vec<String> = lang.into_iter().chain(still.then(|| "refresh=0".to_owned())).collect();
            if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) }
        };
        let other = if self.tongue == Tongue::Id { Tongue::En } else { Tongue::Id };
        let own = self.named.then_some(self.tongue);
        Frame {
            lang: self.tongue.as_str(),
            other_lang: other.as_str(),
            t: self.tongue.words(),
            as_of: at.to_owned(),
            still: self.still,
            keep: query(own, self.still),
            other: format!("{}{}", self.path, query(Some(other), self.still)),
            turn: format!("{}{}", self.path, query(own, !self.still)),
        }
    }
}

async fn home(State(served): State<Served>, uri: Uri, headers: HeaderMap) -> Response {
    let wish = Wish::of(&uri, &headers);
    answer(move || served.home(&wish)).await
}

async fn request(State(served): State<Served>, Path(uid): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let wish = Wish::of(&uri, &headers);
    answer(move || served.request(&wish, &uid)).await
}

/// Reads and renders where blocking hurts nobody.
async fn answer(make: impl FnOnce() -> Response + Send + 'static) -> Response {
    tokio::task::spawn_blocking(make).await.map_err(crate::panics::how).unwrap_or_else(|error| {
        tracing::warn!(%error, "the status page could not be made");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

impl Served {
    fn home(&self, wish: &Wish) -> Response {
        let zone = self.zone(None);
        let data = self.with(|desk| desk.look(&self.source, zone.clone()));
        match data {
            Ok(data) => {
                let ailing = Ailing {
                    unwell: self.source.health.problems(Instant::now()),
                    closed: self.source.health.intake().err(),
                };
                let frame = wish.frame(&wish.tongue.moment(data.at, &data.zone));
                page(StatusCode::OK, &Page::Home(&view::home(&data, &ailing, wish.tongue)), &frame)
            }
            Err(error) => self.unreadable(wish, &error),
        }
    }

    fn request(&self, wish: &Wish, uid: &str) -> Response {
        let now = Timestamp::now();
        let found = match uid.parse::<uuid::Uuid>() {
            Ok(uid) => self.with(|desk| desk.reader().seen_by_uid(uid)),
            Err(_) => Ok(None),
        };
        match found {
            Ok(Some(seen)) => {
                let kept = seen.course.as_ref().map(|(standard, _)| standard.calendar.zone.clone());
                let zone = kept.unwrap_or_else(|| self.zone(Some(&seen.procedure)));
                let procedure = self.procedure(&seen.procedure);
                let sop = procedure.as_ref().map(|procedure| procedure.sop_steps()).unwrap_or_default();
                let frame = wish.frame(&wish.tongue.moment(now, &zone));
                page(StatusCode::OK, &Page::Request(&view::one(&seen, sop, &zone, wish.tongue, now)), &frame)
            }
            Ok(None) => page(StatusCode::NOT_FOUND, &Page::Missing, &wish.frame("")),
            Err(error) => self.unreadable(wish, &error),
        }
    }

    fn unreadable(&self, wish: &Wish, error: &JournalError) -> Response {
        tracing::warn!(%error, "the journal could not be read for the status page");
        page(StatusCode::SERVICE_UNAVAILABLE, &Page::Unreadable, &wish.frame(""))
    }

    /// The journal is opened when somebody first looks; after a failure, anew.
    fn with<T>(&self, ask: impl FnOnce(&mut Desk) -> Result<T, JournalError>) -> Result<T, JournalError> {
        let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
        if desk.is_none() {
            *desk = Some(Desk::new(Reader::open(&self.source.journal)?));
        }
        let answer = desk.as_mut().map_or(Err(JournalError::Closed), ask);
        if answer.is_err() {
            *desk = None;
        }
        answer
    }

    fn procedure(&self, name: &str) -> Option<Arc<Procedure>> {
        self.source.procedures.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// The procedure's own zone; of the whole page, that of the first procedure, or else the system's.
    fn zone(&self, procedure: Option<&str>) -> TimeZone {
        let all = self.source.procedures.read().unwrap_or_else(PoisonError::into_inner).clone();
        let chosen = procedure.and_then(|name| all.get(name)).or_else(|| all.values().next());
        chosen.map_or_else(TimeZone::system, |procedure| procedure.time_zone().clone())
    }
}

fn page(status: StatusCode, page: &Page<'_>, frame: &Frame) -> Response {
    match pages::render(page, frame) {
        Ok(html) => {
            let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response();
            protect(&mut response);
            let language = HeaderValue::from_static(frame.lang);
            response.headers_mut().insert(header::CONTENT_LANGUAGE, language);
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language"));
            if !frame.still {
                response.headers_mut().insert(header::REFRESH, HeaderValue::from_static("30"));
            }
            response
        }
        Err(error) => {
            tracing::warn!(%error, "the status page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn fixed(kind: &'static str, body: &'static str) -> Response {
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    protect(&mut response);
    response
}

fn protect(response: &mut Response) {
    const HEADERS: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    response.headers_mut().extend(HEADERS);
}

#[cfg(test)]
mod tests;
