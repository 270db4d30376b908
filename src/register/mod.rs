//! The register on paper and in spreadsheets: CSV, XLSX and a page that prints; and reading lists back.
//!
//! One table of [`columns`] serves all of them, with its titles in Indonesian and in English; an export as CSV or XLSX is read back by
//! [`read()`] whichever language it has. Pure: nothing here touches the disk.

mod book;
pub mod columns;
mod page;
mod read;
mod sheet;
mod values;

pub use columns::Column;
pub use page::page;
pub use read::{Listed, Settings as ReadSettings, read};
pub use sheet::{Csv, workbook};
pub use values::read_day;
