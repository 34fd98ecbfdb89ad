//! The binary `omniwire`.
fn main() {}
