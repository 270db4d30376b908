//! The four files as the contract meets them: with every type of map.

use crate::contract::{Subject, contract};
use crate::fixture::*;
use akund::model::{Account, Proof};
use akund::target::Target;
use akund::target::mapfiles::MapFiles;
use std::fs;

impl Subject for Bench {
    fn target(&self) -> Box<dyn Target> {
        Box::new(MapFiles::open("mail", &self.config).unwrap())
    }
    fn rows(&self) -> Vec<String> {
        Bench::rows(self)
    }
    fn put_foreign(&self, account: &Account) {
        Bench::put_foreign(self, account);
        if !self.text("domains").contains("example.org") {
            self.append("domains", "example.org x\n");
        }
    }
    fn put_foreign_twice(&self, account: &Account) -> bool {
        self.put_foreign(account);
        self.put_foreign(account);
        true
    }
    fn clear(&self) {
        for name in ["passwd", "domains", "aliases", "mailboxes"] {
            fs::write(self.path(name), "").unwrap();
        }
        // Emptied files are not believed, unless somebody says so.
        let _ = fs::remove_file(self.config.passwd.with_file_name(".passwd.akund-state"));
    }
    fn proof(&self) -> Proof {
        Proof::Stored
    }
}

contract!(Bench::each());
