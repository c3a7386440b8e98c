//! Every fuzz target's body over its committed seeds, so that a target cannot rot unnoticed.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/container.rs"]
mod container;
#[path = "../fuzz/src/schema.rs"]
mod schema;
#[path = "../fuzz/src/value.rs"]
mod value;

/// The files of a folder by name; an empty folder is a mistake.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_file())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

#[test]
fn container_target_takes_its_whole_seeds_and_refuses_the_others() {
    for (name, bytes) in files("fuzz/seeds/container") {
        assert_eq!(container::fuzz(&bytes), name.starts_with("whole-"), "{name}");
    }
}

#[test]
fn container_target_takes_all_goldens() {
    // The machine's snapshots beside them hold pages in the emulator's encodings.
    let goldens: Vec<_> = files("../tests/snapshots")
        .into_iter()
        .filter(|(name, _)| name.starts_with("container-"))
        .collect();
    assert!(!goldens.is_empty());
    for (name, bytes) in goldens {
        assert!(container::fuzz(&bytes), "{name}");
    }
}

/// Committed bytes, their truncations and seeded flips; how many of all were accepted.
fn altered(bytes: &[u8], fuzz: fn(&[u8]) -> bool) -> usize {
    let mut random = vmstate::property::Random::new(0xf1175);
    let mut accepted = (0..=bytes.len()).filter(|len| fuzz(&bytes[..*len])).count();
    for _ in 0..200 {
        let mut flipped = bytes.to_vec();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            flipped[at] ^= 1 << random.below(8);
        }
        accepted += usize::from(fuzz(&flipped));
    }
    accepted
}

/// The schemas of the value target's subject and of the types in it, in all versions.
fn schemas() -> vmstate::schema::SchemaTable {
    use vmstate::Instance;
    let subject: value::Subject = vmstate::fresh();
    let mut table = vmstate::schema::SchemaTable::new();
    for version in 1..=2 {
        (&subject as &dyn Instance).collect_schemas(version, &mut table);
    }
    table
}

#[test]
fn schema_target_takes_our_schemas_and_survives_altered_ones() {
    for known in schemas().iter() {
        assert!(schema::fuzz(known.encoded()), "{}", known.type_name);
        altered(known.encoded(), schema::fuzz);
    }
    for (name, bytes) in files("fuzz/seeds/schema") {
        assert_eq!(schema::fuzz(&bytes), name.starts_with("whole-"), "{name}");
    }
}

#[test]
fn value_target_takes_random_values_of_both_versions_and_survives_altered_ones() {
    let table = schemas();
    let generator = vmstate::property::Generator { table: &table };
    let mut random = vmstate::property::Random::new(7);
    let mut accepted = 0;
    for schema in table.named("Subject") {
        for _ in 0..20 {
            let mut bytes = vec![u8::try_from(schema.version).unwrap() - 1];
            generator.types(schema, &mut random, &mut bytes);
            accepted += usize::from(value::fuzz(&bytes));
            altered(&bytes, value::fuzz);
        }
    }
    // Version 1's counter may be the one value that its conversion refuses.
    assert!(accepted >= 25, "{accepted} of 40");
    for (name, bytes) in files("fuzz/seeds/value") {
        assert_eq!(value::fuzz(&bytes), name.starts_with("whole-"), "{name}");
    }
}
