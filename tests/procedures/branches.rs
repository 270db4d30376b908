//! Branches that go the same way with each of the five.

use crate::institution::Institution;

/// A request whose notice with the password is refused by the recipient's mail server: it is stuck with its account whole, and
/// a retry hands over once the server takes it. The password.
#[track_caller]
pub fn a_mail_server_that_refuses_holds_up_the_notice_and_undoes_nothing(
    at: &Institution,
    text: &str,
    to: &str,
    id: &str,
) -> String {
    at.office.mail.refuse(to);
    let request = format!("{id}@1");
    at.ask("refusing.toml", text, &request, "stuck");
    let outcome = at.outcome(&request);
    let steps = outcome["steps"].as_array().unwrap();
    let (handing, before) = steps.split_last().unwrap();
    assert!(before.iter().all(|step| step["state"] == "done"), "the account is made and proven: {outcome:#}");
    assert_eq!((&handing["verb"], &handing["state"]), (&"deliver".into(), &"stuck".into()), "{outcome:#}");
    let fault = handing["fault"].as_str().unwrap();
    assert!(fault.contains("550 5.1.1") && !fault.contains(to), "{fault}");
    let shown = at.akund(&["show", id]).1;
    assert!(shown.contains("550 5.1.1"), "{shown}");
    at.office.mail.take_again(to);
    let (code, said) = at.akund(&["retry", id, "--reason", "kotak surat sudah ada"]);
    assert_eq!(code, 0, "{said}");
    at.comes_to(&request, "done");
    at.password(to, id)
}

/// A request of a source whose files must be signed, without a signature.
#[track_caller]
pub fn what_nobody_has_signed_is_no_request(at: &Institution, text: &str) {
    at.hand_in_by("bertanda", "unsigned.toml", text);
    let reason = at.rejected("unsigned.toml");
    assert!(reason.contains("did not come within"), "{reason}");
}

/// A decision that is older than the paper it decides on is none; the corrected request has one that is not.
#[track_caller]
pub fn a_decision_before_its_paper_is_none(at: &Institution, text: &str, id: &str) {
    let paper = text.lines().find(|line| line.starts_with("date = ")).unwrap();
    let today = format!("date = {}", crate::letter::today());
    at.ask("early.toml", &text.replacen(paper, &today, 1), &format!("{id}@1"), "held");
    let unmet = crate::institution::unmet(&at.outcome(&format!("{id}@1")));
    assert!(
        unmet.iter().any(|requirement| requirement.starts_with("approval: ") || requirement.starts_with("document: ")),
        "{unmet:?}"
    );
    let (code, said) = at.akund(&["release", id, "--reason", "lisan"]);
    assert_ne!(code, 0, "{said}");
    at.ask("in-order.toml", &crate::institution::corrected(text), &format!("{id}@2"), "done");
}

/// Where nobody is sent to an application, who is not served is refused, and told.
#[track_caller]
pub fn who_is_not_served_is_told(at: &Institution, text: &str, served: &str, to: &str, id: &str) {
    let category = format!("category = {served:?}");
    let text = crate::institution::edited(text, &[(&category, "category = \"neighbour\"")]);
    let request = format!("{id}@1");
    at.ask("neighbour.toml", &text, &request, "refused");
    assert_eq!(crate::institution::unmet(&at.outcome(&request)), ["category: neighbour"]);
    let told = at.told(to, id);
    assert!(told.contains("Kategori pemohon \"neighbour\" tidak dikenal dalam prosedur ini."), "{told}");
}
