//! The templates, and what they are filled with. Everything is escaped; a template reaches nothing but what it is given.

use super::view::{Home, One};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The style sheet.
pub const STYLE: &str = include_str!("pages/style.css");
/// The icon.
pub const ICON: &str = include_str!("pages/icon.svg");

const TEMPLATES: [(&str, &str); 4] = [
    ("frame.html", include_str!("pages/frame.html")),
    ("home.html", include_str!("pages/home.html")),
    ("request.html", include_str!("pages/request.html")),
    ("said.html", include_str!("pages/said.html")),
];

/// What every page has.
#[derive(Debug, Serialize)]
pub struct Frame {
    /// `id` or `en`.
    pub lang: &'static str,
    /// The other one.
    pub other_lang: &'static str,
    /// The words.
    pub t: BTreeMap<&'static str, &'static str>,
    /// The moment that is shown; may be empty.
    pub as_of: String,
    /// It does not refresh itself.
    pub still: bool,
    /// Query of this site's links: the language and the refresh, where they were asked for.
    pub keep: String,
    /// This page in the other language.
    pub other: String,
    /// This page with, or without, the refresh.
    pub turn: String,
}

/// Which page.
#[derive(Debug)]
pub enum Page<'a> {
    /// `/`
    Home(&'a Home),
    /// `/request/UID`
    Request(&'a One),
    /// There is none.
    Missing,
    /// The journal cannot be read.
    Unreadable,
}

static TEMPLATE: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
});

/// One page.
///
/// # Errors
/// Where a template is faulty, which the tests exclude.
pub fn render(page: &Page<'_>, frame: &Frame) -> Result<String, String> {
    let environment = TEMPLATE.as_ref().map_err(ToString::to_string)?;
    let render = |name: &str, page: Value| {
        let template = environment.get_template(name)?;
        template.render(context! { page, ..Value::from(Serde(frame)) })
    };
    let rendered = match page {
        Page::Home(home) => render("home.html", Value::from(Serde(home))),
        Page::Request(one) => render("request.html", Value::from(Serde(one))),
        Page::Missing => {
            render("said.html", context! { title => frame.t["missing_title"], text => frame.t["missing"] })
        }
        Page::Unreadable => {
            render("said.html", context! { title => frame.t["unreadable_title"], text => frame.t["unreadable"] })
        }
    };
    rendered.map_err(|error| error.to_string())
}
