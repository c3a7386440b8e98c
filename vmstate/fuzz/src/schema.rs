//! Decoding a schema: any bytes are refused with a typed error or re-encode to themselves.

use vmstate::schema::{Schema, SchemaTable};

/// Whether `bytes` are a schema. Panics, and thereby reports, if accepting them breaks an invariant.
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let Ok(schema) = Schema::decode(bytes) else { return false };
    assert_eq!(schema.encoded(), bytes, "an accepted schema is canonical");
    let mut table = SchemaTable::new();
    let type_ref = schema.type_ref();
    assert!(table.insert(schema).is_ok(), "an empty table has no conflict");
    assert!(table.resolve(&type_ref).is_some(), "what was inserted is found");
    // Nested types may be missing; the verdict is typed either way.
    table.verify().ok();
    true
}
