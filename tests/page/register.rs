//! The register as a page for the printer, in a browser.

use crate::chromium::Chromium;
use crate::content;
use crate::daemon::records;

#[test]
fn the_register_prints_on_paper_without_losing_anything() {
    let site = content::site();
    let daemon = site.start();
    site.drop_in("a.csv", records::students("m", 40, None));
    site.drop_in("b.toml", records::good(content::HOSTILE, "humas"));
    site.drop_in("c.toml", records::good(&content::long(), "panjang"));
    site.drop_in("d.toml", records::good(content::RIGHT_TO_LEFT, "arab"));
    site.until_rest(43);
    let file = site.path("daftar.html");
    for language in ["id", "en"] {
        let arguments = ["register", "export", "--output", file.to_str().unwrap(), "--language", language];
        let (code, said) = site.told(&[arguments.as_slice(), &["--office", "Dinas <Kominfo> & Statistik"]].concat());
        assert_eq!(code, 0, "{said}");
        let browser = Chromium::start();
        let tab = browser.tab();
        let url = format!("file://{}", file.display());
        tab.go(&url);
        // What A4 on its side leaves between the margins, in CSS pixels.
        tab.size(1046, 718, false);
        for (name, medium) in [("screen", "screen"), ("print", "print")] {
            tab.scheme("light", medium);
            tab.shot(&format!("register-{language}-{name}"));
            let wide = tab.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= 1046, "{wide} px wide: cut off at the paper's edge");
        }
        let paper = std::fs::read(tab.print(&format!("register-{language}"))).unwrap();
        assert!(paper.starts_with(b"%PDF-"));
        assert_eq!(tab.eval("document.querySelectorAll('tbody tr').length"), 43);
        assert_eq!(tab.eval("document.querySelectorAll('script, img, link').length"), 0);
        assert_eq!(tab.complaints(&url), Vec::<String>::new());
    }
    daemon.terminate();
}
