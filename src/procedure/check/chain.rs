//! Roles, approvals and documents.

use super::Checker;
use crate::procedure::compiled::{Link, Standing, Titled};
use crate::procedure::file::{Role, RouteKind};
use crate::procedure::shape::Place;

impl Checker<'_> {
    /// The chain of approvals with the roles that may decide in each link.
    pub(super) fn chain(&mut self) -> Vec<Link> {
        let file = self.file;
        let top = Place::default();
        let roles: Vec<&str> = file.role.iter().map(|r| r.name.as_str()).collect();
        self.unique(file.role.iter().enumerate().map(|(i, r)| (r.name.as_str(), role_at(i).key("name"))), "role");
        for (i, role) in file.role.iter().enumerate() {
            for (key, list) in [("alternatives", &role.alternatives), ("acting", &role.acting)] {
                for (j, other) in list.iter().enumerate() {
                    self.known(other, &roles, &role_at(i).key(key).at(j), "role");
                }
            }
            self.cycle(role, i);
        }
        let mut chain = Vec::new();
        for (i, rule) in file.approval.iter().enumerate() {
            let place = top.key("approval").at(i);
            self.known(&rule.role, &roles, &place.key("role"), "role");
            self.categories_known(&rule.categories, &place);
            if let Some(role) = file.role.iter().find(|r| r.name == rule.role) {
                let title = Titled::new(&role.title, role.title_en.as_deref());
                chain.push(Link { rule: rule.clone(), title, accepts: accepts(&file.role, role) });
            }
        }
        chain
    }

    /// Reports a role that stands in for itself, by way of others.
    fn cycle(&mut self, role: &Role, index: usize) {
        let mut path = vec![role.name.as_str()];
        if way_back(&self.file.role, role, role.name.as_str(), &mut path) {
            let message = format!("the role `{}` is its own alternative: {}", role.name, path.join(" → "));
            let help = "an alternative's alternatives count too; name each role on one side only";
            self.find(&role_at(index).key("alternatives"), message, help);
        }
    }

    pub(super) fn documents(&mut self) {
        let file = self.file;
        let top = Place::default().key("document");
        self.unique(
            file.document.iter().enumerate().map(|(i, d)| (d.kind.as_str(), top.at(i).key("kind"))),
            "document",
        );
        for (i, document) in file.document.iter().enumerate() {
            self.categories_known(&document.categories, &top.at(i));
            if document.optional && !(document.categories.is_empty() && document.actions.is_empty()) {
                let message = format!("the document `{}` is optional, so nobody is required to name it", document.kind);
                self.find(&top.at(i).key("optional"), message, "leave out `categories` and `actions`, or `optional`");
            }
        }
    }

    /// The form that a route asks for must be a document of the procedure.
    pub(super) fn form_known(&mut self, route: RouteKind, form: &str, place: &Place) {
        if route == RouteKind::Form {
            let kinds: Vec<&str> = self.file.document.iter().map(|d| d.kind.as_str()).collect();
            self.known(form, &kinds, place, "document");
        }
    }

    fn categories_known(&mut self, categories: &[String], place: &Place) {
        let known: Vec<&str> = self.file.category.iter().map(|c| c.name.as_str()).collect();
        for (i, category) in categories.iter().enumerate() {
            self.known(category, &known, &place.key("categories").at(i), "category");
        }
    }
}

fn role_at(index: usize) -> Place {
    Place::default().key("role").at(index)
}

/// Whether the alternatives of a role lead back to `start`; leaves the way in `path`.
fn way_back<'r>(roles: &'r [Role], role: &'r Role, start: &str, path: &mut Vec<&'r str>) -> bool {
    for name in &role.alternatives {
        path.push(name);
        if name == start {
            return true;
        }
        let deeper = path.len() <= roles.len() + 1;
        let next = roles.iter().find(|r| r.name == *name).filter(|_| deeper);
        if next.is_some_and(|next| way_back(roles, next, start, path)) {
            return true;
        }
        path.pop();
    }
    false
}

/// The roles that may decide for a role: itself, its alternatives and theirs, and whoever acts for one of these.
pub(super) fn accepts(roles: &[Role], role: &Role) -> Vec<(String, Standing)> {
    let mut accepted = vec![(role.name.clone(), Standing::Own)];
    let mut next = 0;
    while let Some((name, _)) = accepted.get(next).cloned() {
        let Some(role) = roles.iter().find(|r| r.name == name) else { break };
        for alternative in &role.alternatives {
            if !accepted.iter().any(|(a, _)| a == alternative) {
                accepted.push((alternative.clone(), Standing::Alternative));
            }
        }
        next += 1;
    }
    let acting: Vec<&String> =
        accepted.iter().filter_map(|(n, _)| roles.iter().find(|r| r.name == *n)).flat_map(|r| &r.acting).collect();
    let acting: Vec<_> = acting.into_iter().map(|name| (name.clone(), Standing::Acting)).collect();
    for (name, standing) in acting {
        if !accepted.iter().any(|(a, _)| *a == name) {
            accepted.push((name, standing));
        }
    }
    accepted
}
