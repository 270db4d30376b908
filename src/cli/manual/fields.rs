//! The fields of a request, from its JSON Schema.

use roff::{Roff, bold, italic, roman};
use serde_json::Value;

/// A request that a reader can copy.
pub(super) const EXAMPLE: &str = r#"akund = 1
id = "B-12/Un.03/2026"
procedure = "generic"

[applicant]
name = "Biro Humas"
category = "unit"
unit = "Biro Administrasi"
email = "kepala.humas@example.org"

[responsible]
name = "Budi Santoso"
identifier = "198501012015041003"
email = "budi.pribadi@example.org"

[account]
address = "humas@example.ac.id"

[[document]]
kind = "letter"
number = "B-12/Un.03/2026"
date = 2026-11-18
signed_by = "Kepala Biro"

[[approval]]
role = "head"
by = "Kepala Pusat TIK"
decision = "approved"
at = 2026-11-20T09:00:00+07:00
"#;

/// Adds every field, tables after what stands outside of them.
pub(super) fn lay_out(page: &mut Roff, schema: &Value) {
    page.control("SH", ["FIELDS"]);
    let fields = properties(schema);
    for (name, field) in fields.clone().filter(|(_, field)| table(schema, field).is_none()) {
        describe(page, schema, name, field, is_required(schema, name));
    }
    for (name, field) in fields {
        let Some(table) = table(schema, field) else { continue };
        let many = field["type"] == "array";
        let (title, prefix) = if many {
            (format!("[[{name}]]"), format!("{name}.N."))
        } else {
            (format!("[{name}]"), format!("{name}."))
        };
        page.control("SS", [title.as_str()]).text([roman(text(&field["description"]))]);
        for (inner, field) in properties(table) {
            describe(page, schema, &format!("{prefix}{inner}"), field, is_required(table, inner));
        }
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> + Clone {
    schema["properties"].as_object().into_iter().flatten().map(|(name, field)| (name.as_str(), field))
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|r| r == name))
}

/// What a reference stands for.
fn resolved<'a>(schema: &'a Value, field: &'a Value) -> &'a Value {
    let reference = field["$ref"].as_str().or_else(|| field["items"]["$ref"].as_str());
    reference.and_then(|path| schema.pointer(path.strip_prefix('#')?)).unwrap_or(field)
}

fn table<'a>(schema: &'a Value, field: &'a Value) -> Option<&'a Value> {
    let found = resolved(schema, field);
    found["properties"].is_object().then_some(found)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn describe(page: &mut Roff, schema: &Value, name: &str, field: &Value, required: bool) {
    page.control("TP", []);
    let note = if required { "  (required)" } else { "" };
    page.text([bold(name), italic(note)]);
    page.text([roman(text(&field["description"]))]);
    let choices = resolved(schema, field)["oneOf"].as_array().into_iter().flatten();
    for choice in choices.filter(|choice| choice["const"].is_string()) {
        page.control("br", []);
        page.text([bold(text(&choice["const"])), roman(format!(": {}", text(&choice["description"])))]);
    }
    if let Some(most) = field["maxLength"].as_u64() {
        page.control("br", []).text([roman(format!("At most {most} characters."))]);
    }
}
