//! What is to be seen of akund from outside: logs, metrics, health, and what systemd is told.
//!
//! Nothing here holds personal data: labels are names from the configuration and words of the model.

mod exposition;
pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod pulse;
pub mod systemd;
