//! What is to be seen of akund from outside: logs, metrics, health, the status page, and what systemd is told.
//!
//! Nothing here shows personal data: labels are names from the configuration and words of the model, and the page masks.

mod exposition;
pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod process;
pub mod pulse;
pub mod status;
pub mod systemd;
pub mod watch;
