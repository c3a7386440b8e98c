//! What hostile values and schemas may cost: memory by a counting allocator, work by what is refused.
#![expect(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::collections::BTreeMap;

use allocation::peak;
use vmstate::container::{ErrorKind, MachineName, Position, Snapshot, SnapshotBuilder};
use vmstate::define::encode_shape;
use vmstate::error::LoadError;
use vmstate::property::Random;
use vmstate::schema::hash::SchemaHash;
use vmstate::schema::{SCHEMA_PARTS_MAX, Schema, SchemaError, SchemaTable};
use vmstate::wire::{put_str, put_varint};
use vmstate::{Instance, VmState};

#[path = "fixtures/allocation.rs"]
mod allocation;

/// What a reader may hold beyond twice the file and the declared maxima.
const ALLOWANCE: usize = 1 << 20;
/// An error and its path.
const REFUSAL: usize = 1 << 10;

#[derive(VmState, Debug)]
#[vmstate(version = 2)]
struct Wide {
    #[vmstate(max_len = 50_000)]
    lines: Vec<[u64; 8]>,
    #[vmstate(max_len(500, 64))]
    names: BTreeMap<u32, String>,
    #[vmstate(max_len = 64)]
    pages: Vec<Option<Box<[u8; 4096]>>>,
    #[vmstate(since = 2, default = 1)]
    level: u32,
}

/// `max_len` times size of every field.
const MAXIMA: usize = 50_000 * 64 + 500 * (64 + 32) * 2 + 64 * (4096 + 8);

fn stage(bytes: &[u8], version: u32) -> (usize, Result<(), LoadError>) {
    let live: Wide = vmstate::fresh();
    let mut table = SchemaTable::new();
    let type_ref = (&live as &dyn Instance).collect_schemas(version, &mut table);
    let schema = table.resolve(&type_ref).unwrap();
    let mut result = Ok(());
    let held = peak(|| result = live.stage(bytes, schema, &table).map(drop));
    (held, result)
}

#[test]
fn a_length_that_the_bytes_cannot_hold_is_refused_before_anything_is_allocated_for_it() {
    // Both versions: decoded straight, and through the plan of an older schema.
    for (version, level) in [(2, &[1][..]), (1, &[])] {
        let prefix = |count: u64| {
            let mut bytes = level.to_vec();
            put_varint(&mut bytes, count);
            bytes.extend_from_slice(&[0; 10]);
            bytes
        };
        for count in [11, 50_000, 50_001, 1 << 32, u64::MAX] {
            let (held, result) = stage(&prefix(count), version);
            let error = result.unwrap_err();
            assert!(error.path().starts_with("lines"), "{count}: {error}");
            let plan = if version == 2 { 0 } else { 1 << 15 };
            assert!(
                held <= REFUSAL + plan,
                "version {version}, {count} claimed: held {held} bytes"
            );
        }
    }
}

#[test]
fn ten_thousand_altered_values_stay_within_the_declared_maxima() {
    let mut random = Random::new(std::env::var("VMSTATE_SEED").map_or(7, |s| s.parse().unwrap()));
    let live = Wide {
        lines: vec![[u64::MAX; 8]; 40],
        names: (0..20).map(|n| (n, format!("line {n}"))).collect(),
        pages: vec![Some(Box::new([3; 4096])), None],
        level: 9,
    };
    let mut accepted = 0;
    for version in [2, 1] {
        let live = Wide {
            level: if version == 1 { 1 } else { 9 },
            lines: live.lines.clone(),
            names: live.names.clone(),
            pages: live.pages.clone(),
        };
        let mut golden = Vec::new();
        live.save(version, &mut golden).unwrap();
        assert!(stage(&golden, version).1.is_ok(), "the golden itself loads");
        for round in 0..5000_u32 {
            let mut bytes = golden.clone();
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            match round % 4 {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes.truncate(at),
                2 => bytes[at..].iter_mut().take(9).for_each(|byte| *byte |= 0x80),
                _ => bytes.insert(at, random.next().to_le_bytes()[0]),
            }
            let (held, result) = stage(&bytes, version);
            accepted += u32::from(result.is_ok());
            let bound = MAXIMA + 2 * bytes.len() + ALLOWANCE;
            assert!(held <= bound, "version {version}, round {round}: held {held} of {bound}");
        }
    }
    assert!((100..9000).contains(&accepted), "{accepted} of 10000: the alterations say nothing");
}

/// A hostile schema: a struct of these fields, each a name, a kind's bytes and former names.
fn schema(name: &str, fields: &[(String, Vec<u8>, u64)]) -> Vec<u8> {
    let mut shape = Vec::new();
    put_str(&mut shape, name);
    shape.extend_from_slice(&[1, 0, 0]);
    put_varint(&mut shape, fields.len() as u64);
    for (name, kind, _) in fields {
        put_str(&mut shape, name);
        shape.extend_from_slice(&[0, 0]);
        shape.extend_from_slice(kind);
    }
    let mut bytes = Vec::new();
    put_varint(&mut bytes, shape.len() as u64);
    bytes.extend_from_slice(&shape);
    bytes.push(1);
    for (_, _, aliases) in fields {
        bytes.push(1);
        put_varint(&mut bytes, *aliases);
        (0..*aliases).for_each(|_| bytes.extend_from_slice(&[1, b'a']));
        bytes.push(0);
    }
    bytes
}

/// The bytes of the kind "the type `name`", which is the struct of `bytes`.
fn kind_of(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut kind = vec![22];
    put_str(&mut kind, name);
    kind.push(1);
    kind.extend_from_slice(&Schema::decode(bytes).unwrap().hash.to_bytes());
    kind
}

fn fields(count: usize, kind: &[u8]) -> Vec<(String, Vec<u8>, u64)> {
    (0..count).map(|index| (format!("{index:x}"), kind.to_vec(), 0)).collect()
}

/// A file of these schemas and no state.
fn file(schemas: &[Vec<u8>]) -> Vec<u8> {
    let machine = MachineName { machine: "toy".into(), version: "1".into() };
    let mut builder = SnapshotBuilder::new("hostile", machine, Position::default());
    for (index, bytes) in schemas.iter().enumerate() {
        let mut hash = SchemaHash::of(bytes).to_bytes();
        hash[0] ^= u8::try_from(index % 251).unwrap();
        builder.schema(&format!("T{index}"), 1, hash, bytes.clone());
    }
    builder.to_bytes().unwrap()
}

#[test]
fn the_richest_schemas_that_bytes_can_buy_stay_within_the_bound() {
    let leaf = schema("L", &[]);
    let tuple = |count: usize| {
        let mut kind = vec![20];
        put_varint(&mut kind, count as u64);
        kind.extend(std::iter::repeat_n(2, count));
        kind
    };
    let most = SCHEMA_PARTS_MAX;
    for (what, schemas) in [
        ("fields", vec![schema("S", &fields(most, &[2]))]),
        ("typed fields", vec![schema("S", &fields(most, &kind_of("L", &leaf))), leaf]),
        ("tuples", (0..200).map(|n| schema(&format!("S{n}"), &fields(1, &tuple(4095)))).collect()),
        ("former names", vec![schema("S", &[("f".into(), vec![2], 4095)])]),
        ("small schemas", (0..4000).map(|n| schema(&format!("S{n}"), &fields(1, &[2]))).collect()),
        ("many fields", (0..40).map(|n| schema(&format!("S{n}"), &fields(most, &[2]))).collect()),
    ] {
        let bytes = file(&schemas);
        let held = peak(|| {
            let snapshot = Snapshot::from_slice(&bytes).unwrap();
            drop(snapshot.schema_table());
        });
        let bound = 2 * bytes.len() + ALLOWANCE;
        assert!(held <= bound, "{what}: held {held}, {} bytes allow {bound}", bytes.len());
    }
}

fn decoded(schemas: &[Vec<u8>]) -> SchemaTable {
    let mut table = SchemaTable::new();
    schemas.iter().for_each(|bytes| table.insert(Schema::decode(bytes).unwrap()).unwrap());
    table
}

#[test]
fn types_without_bytes_that_multiply_are_refused_rather_than_walked() {
    // 32 levels of 64 fields: 2^192 parts in no byte at all.
    let mut levels = vec![schema("T0", &[])];
    for level in 1..32 {
        let below = kind_of(&format!("T{}", level - 1), &levels[level - 1]);
        levels.push(schema(&format!("T{level}"), &fields(64, &below)));
    }
    let error = decoded(&levels).verify().unwrap_err();
    assert!(matches!(error, SchemaError::TooEmpty { .. }), "{error}");
    // The same with arrays, at once.
    let mut kind = vec![16];
    put_varint(&mut kind, 1 << 32);
    kind.extend(kind_of("T0", &levels[0]));
    let array = schema("A", &fields(1, &kind));
    let error = decoded(&[levels[0].clone(), array]).verify().unwrap_err();
    assert_eq!(error.to_string(), "a value of `A` has more than 1024 parts that occupy no bytes");
}

#[test]
fn all_root_causes_are_found_and_none_of_their_consequences() {
    let whole = schema("Whole", &fields(1, &[2]));
    let lost = schema("Lost", &fields(1, &kind_of("Elsewhere", &schema("Elsewhere", &[]))));
    let owner = schema("Owner", &fields(1, &kind_of("Lost", &lost)));
    let mut deep = vec![schema("D0", &[])];
    for level in 1..40 {
        let below = kind_of(&format!("D{}", level - 1), &deep[level - 1]);
        deep.push(schema(&format!("D{level}"), &fields(1, &below)));
    }
    let all = [&[whole, lost, owner][..], &deep].concat();
    let (table, errors) = decoded(&all).into_sound();
    let errors: Vec<String> = errors.iter().map(|(_, error)| error.to_string()).collect();
    assert_eq!(
        errors,
        [
            "`Lost` holds Elsewhere@1, whose schema is missing or differs",
            "`D32` contains itself, or types nest deeper than 32",
        ]
    );
    assert_eq!(table.len(), 1 + 32, "what rests on neither is still usable");
}

#[test]
fn a_file_with_two_damaged_schemas_names_both() {
    let schemas = [schema("T0", &fields(1, &[2])), vec![7; 30], vec![9; 30]];
    let bytes = file(&schemas);
    let snapshot = Snapshot::from_slice(&bytes).unwrap();
    let (_, problems) = snapshot.sound_schemas();
    let named: Vec<&str> = problems.iter().map(|error| error.place.section.as_str()).collect();
    assert!(named.contains(&"schema T1@1") && named.contains(&"schema T2@1"), "{named:?}");
    assert!(problems.iter().any(|error| matches!(*error.kind, ErrorKind::Schema(_))));
}

/// The helper above writes what the derive writes.
#[test]
fn hostile_schemas_are_built_in_the_real_format() {
    #[derive(VmState)]
    #[vmstate(version = 1)]
    struct One {
        field: u8,
    }
    let real = encode_shape(&<One as VmState>::DEF, 1);
    let forged = schema("One", &[("field".to_owned(), vec![2], 0)]);
    assert_eq!(forged[1..=real.len()], real);
}
