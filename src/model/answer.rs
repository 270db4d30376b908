//! What targets, channels and lanes' workers answer with.

use std::pin::Pin;

/// A boxed future, so that targets and channels can be held as trait objects.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One finding of `check`: `Ok` says what is in order, `Err` what is wrong and what to do.
pub type Finding = Result<String, String>;
