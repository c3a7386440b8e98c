//! Every mistake has a message that says what to write. `TRYBUILD=overwrite` blesses.
//!
//! The cases about released shapes are in `outside.rs`, with a lock of their own.

#[test]
fn every_mistake_is_explained_where_it_stands() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
