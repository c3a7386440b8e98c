//! Digests of the whole state: one short hash for each field of each instance, one root over RAM.
//!
//! The names of the fields are written once for a recording ([`DIGEST_PARTS`]), the hashes every
//! time, so that a digest of a whole machine takes a few hundred bytes and still names what
//! differs. A difference in RAM is named by pages only where both trees are at hand.
//!
//! [`DIGEST_PARTS`]: crate::journal::DIGEST_PARTS

use serde::{Deserialize, Serialize};
use vmstate::{
    error::SaveError,
    instance::Instance,
    schema::{SchemaTable, Shape},
    walk::Walker,
    wire::Reader,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::machine::Machine;

/// The digest of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDigest {
    /// A short hash of each part, in the order of the parts' names.
    pub parts: Vec<u32>,
    /// Hash over everything but RAM.
    pub whole: u64,
    /// Root of the page tree over RAM.
    pub ram: u128,
}

/// A digest with the names of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedDigest {
    /// Names of the parts: `instance/path.field`.
    pub names: Vec<String>,
    /// The digest.
    pub digest: StateDigest,
}

impl NamedDigest {
    /// The digest of `machine`, whose page tree over RAM has the root `ram`.
    ///
    /// # Errors
    /// [`SaveError`] when an instance cannot be saved.
    pub fn of(machine: &Machine, ram: u128) -> Result<Self, SaveError> {
        let mut named =
            Self { digest: StateDigest { ram, ..StateDigest::default() }, ..Self::default() };
        let mut whole = Vec::new();
        named.add_registers(machine, &mut whole);
        let instances = machine.instances();
        for path in instances.paths() {
            if let Some(instance) = instances.get(path) {
                named.add(path, instance, &mut whole)?;
            }
        }
        named.digest.whole = xxh3_64(&whole);
        Ok(named)
    }

    /// The registers of every hart, as a debugger names them: what people look at first.
    fn add_registers(&mut self, machine: &Machine, whole: &mut Vec<u8>) {
        for (number, hart) in machine.harts().iter().enumerate() {
            let inspect = hart.inspect();
            for (index, register) in inspect.architecture().registers().enumerate() {
                let value = inspect.read_register(index, machine.clock()).unwrap_or_default();
                whole.extend_from_slice(&value.to_le_bytes());
                self.push(format!("hart{number}.{}", register.name), &value.to_le_bytes());
            }
        }
    }

    fn add(
        &mut self,
        path: &str,
        instance: &dyn Instance,
        whole: &mut Vec<u8>,
    ) -> Result<(), SaveError> {
        let version = instance.version();
        let start = whole.len();
        instance.save(version, whole)?;
        let bytes = &whole[start..];
        let mut table = SchemaTable::default();
        let schema = instance.collect_schemas(version, &mut table);
        let fields = table.resolve(&schema).map(|schema| &schema.shape);
        let Some(Shape::Struct(fields)) = fields else {
            self.push(path.to_owned(), bytes);
            return Ok(());
        };
        let walker = Walker::new(&table);
        let mut reader = Reader::new(bytes);
        for field in fields {
            let from = reader.offset();
            let walked = walker.skip_field(&mut reader, field);
            assert!(
                walked.is_ok(),
                "{path} saved what its own schema does not describe: {walked:?}"
            );
            self.push(format!("{path}.{}", field.name), reader.since(from));
        }
        Ok(())
    }

    fn push(&mut self, name: String, bytes: &[u8]) {
        let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
        self.names.push(name);
        self.digest.parts.push(u32::from_le_bytes([a, b, c, d]));
    }

    /// Names what differs from `recorded`, whose parts are called `names`. Empty when nothing does.
    #[must_use]
    pub fn differences(&self, names: &[String], recorded: &StateDigest) -> Vec<String> {
        let mut found = Vec::new();
        for (name, hash) in self.names.iter().zip(&self.digest.parts) {
            match names.iter().position(|other| other == name) {
                Some(at) if recorded.parts.get(at) == Some(hash) => {}
                Some(_) => found.push(name.clone()),
                None => found.push(format!("{name} (not in the recording)")),
            }
        }
        let missing = names.iter().filter(|name| !self.names.contains(name));
        found.extend(missing.map(|name| format!("{name} (not in this machine)")));
        if self.digest.ram != recorded.ram {
            found.push("ram".to_owned());
        }
        // 32 bits of a part can collide; the hash over everything does not overlook it.
        if found.is_empty() && self.digest.whole != recorded.whole {
            found.push("a field whose short hash is equal by chance".to_owned());
        }
        found
    }
}
