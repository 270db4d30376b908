//! The status page: what it shows, to whom, and that it needs nothing for it.

use crate::chromium::{Chromium, Tab};
use crate::content::{self, busy};
use crate::daemon::Daemon;
use serde_json::Value;

/// Looks over everything that can be read: the contrast of each text with what lies behind it, by WCAG 2.2.
const CONTRAST: &str = include_str!("contrast.js");
/// Everything that reaches beyond the right edge, but what scrolls by itself.
const BEYOND: &str = include_str!("beyond.js");
/// What has the focus, and how that is seen.
const FOCUS: &str = include_str!("focus.js");

const PHONE: (u32, u32, bool) = (360, 740, true);
const DESKTOP: (u32, u32, bool) = (1280, 900, false);

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Address of the first page, and of each request that is linked there.
fn pages(daemon: &Daemon, tab: &Tab<'_>) -> (String, Vec<String>) {
    let base = format!("http://{}", daemon.http());
    tab.go(&format!("{base}/?refresh=0"));
    let links = tab.eval(
        "[...document.querySelectorAll('a[href^=\"/request/\"]')].map(a => a.getAttribute('href').split('?')[0])",
    );
    (base, texts(&links))
}

#[test]
fn the_page_is_readable_and_asks_nobody_else_for_anything() {
    let site = content::site();
    let daemon = busy(&site);
    let browser = Chromium::start();
    let tab = browser.tab();
    let (base, requests) = pages(&daemon, &tab);
    assert!(requests.len() >= 8, "{requests:?}");
    // One of each kind: stuck, held, late, waiting, done.
    let chosen = ["stuck", "held", "waiting", "working", "ended"].map(|list| {
        let first = format!("document.querySelector('section[aria-labelledby=list-{list}] a').getAttribute('href')");
        tab.eval(&first).as_str().unwrap().split('?').next().unwrap().to_owned()
    });
    let one = |n: usize| chosen[n].as_str();
    let views = [
        ("home", "/"),
        ("stuck", one(0)),
        ("held", one(1)),
        ("waiting", one(2)),
        ("late", one(3)),
        ("done", one(4)),
        ("missing", "/request/x"),
    ];
    for language in ["id", "en"] {
        for (shape, (width, height, mobile)) in [("desktop", DESKTOP), ("phone", PHONE)] {
            tab.size(width, height, mobile);
            for scheme in ["light", "dark"] {
                tab.scheme(scheme, "screen");
                for (name, path) in views {
                    tab.go(&format!("{base}{path}?lang={language}&refresh=0"));
                    let what = format!("{name}-{language}-{shape}-{scheme}");
                    tab.eval("document.querySelectorAll('details').forEach(one => one.open = true)");
                    let faint = texts(&tab.eval(CONTRAST));
                    let picture = tab.shot(&what);
                    assert!(faint.is_empty(), "{what}: too faint: {faint:#?}\n{}", picture.display());
                    let beyond = texts(&tab.eval(BEYOND));
                    assert!(beyond.is_empty(), "{what}: wider than the screen: {beyond:#?}\n{}", picture.display());
                    assert_eq!(tab.eval("document.documentElement.lang"), language);
                    assert_eq!(tab.eval("document.querySelectorAll('h1').length"), 1, "{what}");
                }
            }
        }
    }
    // What looks sees: a text that is too faint, and one that is too wide.
    tab.eval(
        "document.querySelector('footer p').style.color = '#777'; document.querySelector('h1').style.width = '3000px'",
    );
    assert!(texts(&tab.eval(CONTRAST))[0].contains("<P"), "{}", tab.eval(CONTRAST));
    assert!(texts(&tab.eval(BEYOND)).iter().any(|one| one.contains("<H1")), "{}", tab.eval(BEYOND));
    // The one page that is not there answers 404, and the browser tells of it.
    let complaints = tab.complaints(&base);
    let others: Vec<&String> = complaints.iter().filter(|one| !one.contains("/request/x")).collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(!complaints.is_empty(), "the test hears what the browser complains of");
    // What was hostile is there to be read, and has become nothing else.
    tab.go(&format!("{base}/?lang=en&refresh=0"));
    let text = tab.eval("document.body.innerText").as_str().unwrap().to_owned();
    for wanted in ["<script>alert(1)</script>", "طلب رقم", "late by"] {
        assert!(text.contains(wanted), "{wanted} in\n{text}");
    }
    assert_eq!(tab.eval("document.querySelectorAll('script, img, iframe, b').length"), 0);
    // Where outcome documents go, as lanes have it.
    let row = |name: &str| {
        let cells = format!(
            "[...document.querySelectorAll('section[aria-labelledby=outlets] tbody tr')].find(row => \
             row.querySelector('th').textContent == '{name}').innerText"
        );
        tab.eval(&cells).as_str().unwrap().to_owned()
    };
    let (tickets, arsip) = (row("tickets"), row("arsip"));
    assert!(tickets.contains("unreachable") && tickets.contains("for ") && tickets.contains("transient"), "{tickets}");
    assert!(arsip.contains("paused"), "{arsip}");
    assert!(text.contains("Where outcome documents go") && text.contains("Paused: email, arsip"), "{text}");
    for personal in ["humas@", "tolak.satu", "pribadi", "Rukmini"] {
        assert!(!text.contains(personal), "{personal} in\n{text}");
    }
    daemon.terminate();
}

#[test]
fn everything_can_be_reached_by_the_keyboard_and_shows_where_it_is() {
    let site = content::site();
    let daemon = busy(&site);
    let browser = Chromium::start();
    let tab = browser.tab();
    let (base, requests) = pages(&daemon, &tab);
    tab.size(DESKTOP.0, DESKTOP.1, DESKTOP.2);
    for scheme in ["light", "dark"] {
        tab.scheme(scheme, "screen");
        for path in ["/", requests[0].as_str()] {
            tab.go(&format!("{base}{path}?lang=en&refresh=0"));
            let all = tab.eval("document.querySelectorAll('a[href], summary').length").as_u64().unwrap();
            let mut reached = std::collections::BTreeSet::new();
            let mut first = String::new();
            for n in 0..all + 4 {
                tab.press("Tab", 9);
                let now = tab.eval(FOCUS);
                let Some(which) = now["which"].as_u64() else { continue };
                assert_eq!(now["wrong"], Value::Null, "{path} {scheme}: {now}");
                if n == 0 {
                    first = now["text"].as_str().unwrap().to_owned();
                }
                reached.insert(which);
            }
            assert_eq!(first, "Skip to content", "{path}");
            assert_eq!(reached.len() as u64, all, "{path}: {reached:?} of {all}");
        }
    }
    // What is folded opens with Enter.
    tab.go(&format!("{base}/?lang=en&refresh=0"));
    tab.eval("document.querySelector('summary').focus()");
    assert_eq!(tab.eval("document.querySelector('details').open"), false);
    tab.press("Enter", 13);
    assert_eq!(tab.eval("document.querySelector('details').open"), true);
    assert_eq!(tab.complaints(&base), Vec::<String>::new());
    daemon.terminate();
}

#[test]
fn without_scripts_it_is_the_same_page_and_keeps_itself_fresh() {
    let site = content::site();
    let daemon = busy(&site);
    let browser = Chromium::start();
    let (still, fresh) = (browser.tab(), browser.tab());
    fresh.without_scripts();
    let base = format!("http://{}", daemon.http());
    fresh.go(&format!("{base}/?lang=en"));
    still.go(&format!("{base}/?lang=en&refresh=0"));
    let headings = "[...document.querySelectorAll('h1, h2, th, .number')].map(one => one.textContent)";
    assert_eq!(fresh.eval(headings), still.eval(headings), "a script makes no difference");
    let stuck = ".tile .number";
    let number = format!("document.querySelector('{stuck}').textContent");
    assert_eq!(fresh.eval(&number), "2");
    // One of the two that are stuck is taken back: the page sees it by itself, and the one that was told to hold still does not.
    assert_eq!(site.told(&["withdraw", "B-13/Un.03/2026", "--reason", "salah alamat"]).0, 0);
    site.until("it is taken back", || site.state("generic:B-13/Un.03/2026@1") == "withdrawn");
    let mut loads = 1;
    while fresh.eval(&number) != "1" {
        loads += 1;
        assert!(loads < 5, "it refreshes itself and shows the same");
        fresh.until_loads(loads);
    }
    assert!(loads > 1, "it was loaded anew");
    assert_eq!(still.eval(&number), "2");
    for tab in [&still, &fresh] {
        assert_eq!(tab.complaints(&base), Vec::<String>::new());
    }
    daemon.terminate();
}
