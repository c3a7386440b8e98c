//! Schemas and values by the chapter: every section of the committed machine snapshots, to its last byte.

use std::collections::BTreeMap;

use crate::{crc32c, extent, records};

/// Bytes in the encoding of postcard.
struct Postcard<'a>(&'a [u8]);

impl<'a> Postcard<'a> {
    fn take(&mut self, count: u128) -> &'a [u8] {
        let (head, tail) = self.0.split_at(usize::try_from(count).unwrap());
        self.0 = tail;
        head
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn varint(&mut self) -> u128 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            value |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                assert!(byte != 0 || shift == 0, "the shortest form");
                return value;
            }
            shift += 7;
        }
    }

    fn name(&mut self) -> &'a str {
        let length = self.varint();
        let name = std::str::from_utf8(self.take(length)).unwrap();
        assert!((1..=255).contains(&name.len()), "{name}");
        name
    }
}

/// A kind: its byte, its numbers, the kinds in it, its names with their numbers.
#[derive(Default)]
struct Kind<'a> {
    byte: u8,
    number: u128,
    inner: Vec<Kind<'a>>,
    names: Vec<(&'a str, u128)>,
    hash: &'a [u8],
}

struct Field<'a> {
    name: &'a str,
    presence: u8,
    kind: Kind<'a>,
}

/// A struct is one variant without a name.
struct Schema<'a> {
    name: &'a str,
    version: u128,
    is_enum: bool,
    variants: Vec<(u128, &'a str, Vec<Field<'a>>)>,
    details: Postcard<'a>,
}

fn kind<'a>(from: &mut Postcard<'a>) -> Kind<'a> {
    let mut found = Kind { byte: from.byte(), ..Kind::default() };
    match found.byte {
        1..=13 => {}
        14 => found.number = from.varint(),
        15 => found.inner.push(kind(from)),
        16..=18 => {
            found.number = from.varint();
            found.inner.push(kind(from));
        }
        19 => {
            found.number = from.varint();
            found.inner.extend([kind(from), kind(from)]);
        }
        20 => {
            let count = from.varint();
            found.inner.extend((0..count).map(|_| kind(from)));
        }
        21 => {
            found.number = from.varint();
            let count = from.varint();
            found.names.extend((0..count).map(|_| (from.name(), from.varint())));
        }
        22 => {
            found.names.push((from.name(), from.varint()));
            found.hash = from.take(16);
        }
        other => panic!("the chapter has no kind {other}"),
    }
    found
}

fn fields<'a>(from: &mut Postcard<'a>) -> Vec<Field<'a>> {
    let count = from.varint();
    let field = |_| {
        let (name, _revision) = (from.name(), from.varint());
        Field { name, presence: from.byte(), kind: kind(from) }
    };
    (0..count).map(field).collect()
}

/// FNV-1a of 128 bits by its definition.
fn fnv(bytes: &[u8]) -> [u8; 16] {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = (1 << 88) + 0x13b;
    let hash =
        bytes.iter().fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    hash.to_le_bytes()
}

/// The schema in `body`, and its hash.
fn schema(body: &[u8]) -> (Schema<'_>, [u8; 16]) {
    let mut body = Postcard(body);
    let length = body.varint();
    let shape = body.take(length);
    let mut from = Postcard(shape);
    let (name, version, _semantic) = (from.name(), from.varint(), from.varint());
    let is_enum = from.byte() == 1;
    let variants = if is_enum {
        let count = from.varint();
        (0..count).map(|_| (from.varint(), from.name(), fields(&mut from))).collect()
    } else {
        vec![(0, "", fields(&mut from))]
    };
    assert!(from.0.is_empty(), "{name}: the shape ends with its fields");
    (Schema { name, version, is_enum, variants, details: body }, fnv(shape))
}

/// All schemas of a file by hash, and every leaf that was read, by path.
struct File<'a> {
    schemas: BTreeMap<[u8; 16], Schema<'a>>,
    leaves: BTreeMap<String, i128>,
}

impl File<'_> {
    fn value(&mut self, from: &mut Postcard<'_>, kind: &Kind<'_>, path: &str) {
        let leaf = match kind.byte {
            1 | 2 => Some(u128::from(from.byte()).cast_signed()),
            3..=6 => Some(from.varint().cast_signed()),
            7 => Some(i128::from(from.byte().cast_signed())),
            8..=11 => {
                let number = from.varint();
                let half = (number / 2).cast_signed();
                Some(if number.is_multiple_of(2) { half } else { -half - 1 })
            }
            12 | 13 => {
                from.take(if kind.byte == 12 { 4 } else { 8 });
                None
            }
            14 => {
                let length = from.varint();
                assert!(length <= kind.number && std::str::from_utf8(from.take(length)).is_ok());
                None
            }
            21 if kind.number == 8 => Some(u128::from(from.byte()).cast_signed()),
            21 => Some(from.varint().cast_signed()),
            _ => {
                self.compound(from, kind, path);
                None
            }
        };
        self.leaves.extend(leaf.map(|leaf| (path.to_owned(), leaf)));
    }

    fn compound(&mut self, from: &mut Postcard<'_>, kind: &Kind<'_>, path: &str) {
        let count = match kind.byte {
            15 => u128::from(from.byte()),
            16 => kind.number,
            17..=19 => from.varint(),
            20 => 1,
            22 => return self.typed(from, kind.hash, path),
            other => panic!("the chapter has no kind {other}"),
        };
        assert!(count <= kind.number || matches!(kind.byte, 15 | 20), "{path}: {count} elements");
        for index in 0..count {
            for inner in &kind.inner {
                self.value(from, inner, &format!("{path}[{index}]"));
            }
        }
    }

    fn typed(&mut self, from: &mut Postcard<'_>, hash: &[u8], path: &str) {
        let schema =
            self.schemas.remove(hash).expect("its schema is in the file, and holds no itself");
        let id = if schema.is_enum { from.varint() } else { 0 };
        let variant = schema.variants.iter().find(|variant| variant.0 == id);
        let (_, _, fields) = variant.expect("a variant of the schema");
        for field in fields {
            let marker = if field.presence == 0 { 1 } else { from.byte() };
            assert!(marker < 2, "{path}.{}", field.name);
            if marker == 1 {
                self.value(from, &field.kind, &format!("{path}.{}", field.name));
            }
        }
        self.schemas.insert(hash.try_into().unwrap(), schema);
    }

    /// Reads the details of every schema to their end; returns how many defaults there are.
    fn details(&mut self) -> usize {
        let mut defaults = 0;
        for hash in self.schemas.keys().copied().collect::<Vec<_>>() {
            let schema = self.schemas.remove(&hash).unwrap();
            let mut from = Postcard(schema.details.0);
            let oldest = from.varint();
            assert!((1..=schema.version).contains(&oldest), "{}", schema.name);
            for field in schema.variants.iter().flat_map(|variant| &variant.2) {
                let since = from.varint();
                assert!((1..=schema.version).contains(&since), "{}.{}", schema.name, field.name);
                let others = from.varint();
                for _ in 0..others {
                    from.name();
                }
                if from.byte() == 1 {
                    let length = from.varint();
                    let mut default = Postcard(from.take(length));
                    self.value(&mut default, &field.kind, "(default)");
                    assert!(default.0.is_empty(), "{}.{}", schema.name, field.name);
                    defaults += 1;
                }
            }
            assert!(from.0.is_empty(), "{}: the details end with the last field", schema.name);
            self.schemas.insert(hash, schema);
        }
        defaults
    }
}

/// Every leaf of every section of the machine snapshot called `name`, by path.
fn leaves(name: &str) -> BTreeMap<String, i128> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/snapshots/");
    let bytes = std::fs::read(format!("{folder}{name}")).unwrap();
    let records = records(&bytes);
    let mut file = File { schemas: BTreeMap::new(), leaves: BTreeMap::new() };
    for record in &records["SCHM"] {
        let mut record = crate::Fields(record);
        let (type_name, version) = (record.text(), record.u32());
        let hash = record.bytes(16);
        let body = extent(&bytes, &mut record);
        assert_eq!(record.u32(), crc32c(body));
        let (schema, computed) = schema(body);
        assert_eq!(
            (schema.name, schema.version, computed.as_slice()),
            (type_name, version.into(), hash)
        );
        file.schemas.insert(computed, schema);
    }
    assert!(file.details() > 10);
    for record in &records["SECT"] {
        let mut record = crate::Fields(record);
        let (kind, _needed, path) = (record.text(), record.u32(), record.text());
        assert_eq!(kind, "state");
        let (_type, _version, hash) = (record.text(), record.u32(), record.bytes(16));
        let mut body = Postcard(extent(&bytes, &mut record));
        file.typed(&mut body, hash, path);
        assert!(body.0.is_empty(), "{path}: the section ends with its value");
    }
    file.leaves
}

#[test]
fn the_chapter_describes_every_value_of_the_committed_machines() {
    let newest = leaves("demo-riscv64-virt-1.1.vmstate");
    for (path, value) in [
        ("machine.schedule.hart_steps[0]", 737),
        ("machine.seed[31]", 42),
        ("hart0.configuration.features", 0x32fff),
        ("hart0.state.pc", 0x8000_0462),
        ("hart0.state.waiting", 1),
        ("hart0.state.x[2]", 0x8000_5260),
        ("soc/rtc.base_ns", 1_700_000_000_000_000_000),
        ("soc/clint.mtimecmp[0]", 0x186a3),
        ("soc/plic.context[0].enabled[0]", 0x400),
        ("soc/uart0.divisor", 2),
    ] {
        assert_eq!(newest.get(path), Some(&value), "{path}");
    }
    // Version 1.0 had an alarm that could not be written.
    let oldest = leaves("demo-riscv64-virt-1.0.vmstate");
    assert!(newest.contains_key("soc/rtc.written_alarm_ns"));
    assert!(!oldest.contains_key("soc/rtc.written_alarm_ns"));
}
