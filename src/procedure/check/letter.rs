//! Reports, and the letter of notification.

use super::Checker;
use super::chain::accepts;
use crate::model::Address;
use crate::procedure::shape::Place;

impl Checker<'_> {
    pub(super) fn reports(&mut self) {
        let file = self.file;
        let role = Place::default().key("role");
        for (i, email) in file.role.iter().enumerate().filter_map(|(i, role)| Some((i, role.email.as_ref()?))) {
            if let Err(error) = email.parse::<Address>() {
                let message = format!("`{email}` is not a mail address: {error}");
                self.find(&role.at(i).key("email"), message, "expected an address, like `kasi@example.go.id`");
            }
        }
        for (i, report) in file.report.iter().enumerate() {
            let place = Place::default().key("report").at(i);
            self.written_to(&report.to, &place.key("to"));
            self.some_action(report.actions.is_empty(), &place);
            self.step_known(report.step.as_ref(), &place.key("step"));
        }
    }

    /// Who may sign the letter, with alternatives and acting officials.
    pub(super) fn letter(&mut self) -> Vec<String> {
        let file = self.file;
        let Some(letter) = &file.letter else { return Vec::new() };
        let place = Place::default().key("letter");
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let name = &letter.template;
        if !name.ends_with(".docx") || name.len() > 100 || name.starts_with('.') || !name.chars().all(plain) {
            let help =
                "expected the name of a Word file in the directory of templates, like `surat-pemberitahuan.docx`";
            self.find(&place.key("template"), format!("`{name}` is not the name of a letter template"), help);
        }
        for (i, role) in letter.draft_to.iter().enumerate() {
            self.written_to(role, &place.key("draft_to").at(i));
        }
        self.unique(letter.draft_to.iter().enumerate().map(|(i, r)| (r.as_str(), place.key("draft_to").at(i))), "role");
        let roles: Vec<&str> = file.role.iter().map(|r| r.name.as_str()).collect();
        if letter.signed_by.is_empty() {
            self.find(&place.key("signed_by"), "nobody may sign the letter", "expected at least one role");
        }
        let mut signers: Vec<String> = Vec::new();
        for (i, name) in letter.signed_by.iter().enumerate() {
            self.known(name, &roles, &place.key("signed_by").at(i), "role");
            let role = file.role.iter().find(|role| role.name == *name);
            let accepted = role.map(|role| accepts(&file.role, role)).unwrap_or_default();
            for (name, _) in accepted {
                if !signers.contains(&name) {
                    signers.push(name);
                }
            }
        }
        self.some_action(letter.actions.is_empty(), &place);
        signers
    }

    pub(super) fn letter_steps(&mut self) {
        let Some(letter) = &self.file.letter else { return };
        let place = Place::default().key("letter");
        if letter.draft_steps.len() > letter.draft_to.len() {
            let help = "expected one for each of `draft_to`, in the same order";
            self.find(&place.key("draft_steps"), "there are more steps than roles that get the draft", help);
        }
        for (i, step) in letter.draft_steps.iter().enumerate() {
            self.step_known(Some(step), &place.key("draft_steps").at(i));
        }
        for (key, step) in
            [("step", &letter.step), ("signed_step", &letter.signed_step), ("sent_step", &letter.sent_step)]
        {
            self.step_known(step.as_ref(), &place.key(key));
        }
    }

    /// A role that something is sent to.
    fn written_to(&mut self, name: &str, place: &Place) {
        let roles: Vec<&str> = self.file.role.iter().map(|r| r.name.as_str()).collect();
        self.known(name, &roles, place, "role");
        if self.file.role.iter().any(|role| role.name == name && role.email.is_none()) {
            let message = format!("the role `{name}` has no e-mail address, and is to be written to");
            self.find(place, message, "add `email = \"…\"` to its [[role]]");
        }
    }

    fn some_action(&mut self, none: bool, place: &Place) {
        if none {
            self.find(&place.key("actions"), "no action is named", "expected at least one, or leave `actions` out");
        }
    }
}
