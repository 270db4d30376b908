//! (to come) `SealingKey::{load_or_make, seal, open}`
