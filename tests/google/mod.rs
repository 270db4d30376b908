//! The test server.

pub mod description;
pub mod directory;
pub mod server;
pub mod trouble;
