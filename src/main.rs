//! Entry; nothing else.

fn main() {}
