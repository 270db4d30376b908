use super::*;
const HEAD: &str = "id,procedure,applicant.name,applicant.category,applicant.phone,approval.1.role,approval.1.by,approval.1.decision,approval.1.at\n";
#[test]
fn look() {
    let mut full = FULL.replace("name = \"Biro Humas\"", "nama = \"Biro Humas\"").replace("\"mail\"", "5");
    full = full.replace("2027-06-30", "\"30/06/2027\"");
    for (name, text) in [
        ("permohonan.toml", full.as_str()),
        ("x.toml", "[applicant\nname = 'x'\nname = \"x\n"),
        ("x.toml", "akund = 1\n"),
        ("x.json", "[{}]"),
        ("x.json", "{\"akund\": 1,\n \"id\": \"1\", \"id\": \"2\", \"procedure\": null, \"applicant\": 5}"),
        ("x.json", "{\"akund\": 1,\n \"id\": \"1\", }"),
        (
            "x.jsonl",
            "{\"akund\":1,\"id\":\"1\",\"procedure\":\"p\",\"applicant\":{\"name\":\"Budi\",\"category\":\"staff\",\"phone\":\"6.28E+12\",\"emial\":\"x\"}}\n\n{oops\n",
        ),
        (
            "x.csv",
            &format!(
                "{HEAD}1,p,Budi,staff,6.28E+12,head,Kepala,aproved,20/11/2026\n\n,,,,,,,,\n2,p,,staff,0812,,,,\n3,p\n4,\"p,x\n"
            ),
        ),
        ("x.csv", "id;procedur;applicant name;applicant.category;approval.2.role;id;foo\n"),
        ("x.exe", ""),
        ("x.csv", " "),
        ("x.csv", HEAD),
    ] {
        match parse(name, text.as_bytes(), &no_rules) {
            Err(p) => println!("FILE {p}"),
            Ok(parsed) => {
                for r in &parsed.rows {
                    match &r.record {
                        Ok(_) => println!("ok {}", r.line),
                        Err(p) => println!("ROW {} {p}\n{}", r.line, p.one_line()),
                    }
                }
                if let Some(b) = parsed.bad_rows_file() {
                    println!("{}", String::from_utf8_lossy(&b));
                }
            }
        }
    }
}
