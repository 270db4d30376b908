//! What targets, channels and lanes' workers answer with.

use std::pin::Pin;

/// A boxed future, so that targets and channels can be held as trait objects.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One finding of `check`: `Ok` says what is in order, `Err` what is wrong and what to do. The name of
/// the target or channel is not in it: who shows it puts that before it.
pub type Finding = Result<String, String>;
