//! Save and load of about 84 KB in 100 structs, beside plain serde and postcard on equal structs, in one
//! run. The ratios that matter: save and same-schema load within 1.3, cross-schema load within 4, the
//! checksum under a fifth of the load.

#![allow(missing_docs, reason = "criterion's macros expand to undocumented items")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use serde::{Deserialize, Serialize};
use vmstate::schema::{Schema, SchemaTable};
use vmstate::{Instance, VmState};

const STRUCTS: usize = 100;

macro_rules! device {
    ($module:ident, $version:literal, { $($evolved:tt)* }, $($fresh:ident: $value:expr),*) => {
        mod $module {
            use super::{Deserialize, Serialize, VmState};

            #[derive(VmState, Serialize, Deserialize, Clone)]
            #[vmstate(version = $version)]
            pub(crate) struct Device {
                pub(crate) registers: [u64; 32],
                pub(crate) timers: [u32; 32],
                pub(crate) buffers: [[u8; 32]; 18],
                pub(crate) enabled: bool,
                pub(crate) level: i32,
                pub(crate) pending: Option<u16>,
                #[vmstate(max_len = 64)]
                pub(crate) queue: Vec<u32>,
                $($evolved)*
            }

            #[derive(VmState, Serialize, Deserialize)]
            #[vmstate(version = $version)]
            pub(crate) struct Machine {
                #[vmstate(max_len = 1000)]
                pub(crate) devices: Vec<Device>,
            }

            pub(crate) fn machine() -> Machine {
                let mut random = vmstate::property::Random::new(84);
                let devices = (0..super::STRUCTS)
                    .map(|index| Device {
                        // Addresses, counters and small numbers, as devices hold them.
                        registers: std::array::from_fn(|_| random.next() >> (random.next() % 64)),
                        timers: std::array::from_fn(|_| {
                            u32::try_from(random.below(1 << 32)).unwrap_or(0) >> random.below(32)
                        }),
                        buffers: std::array::from_fn(|_| random.next().to_le_bytes().repeat(4)
                            .try_into().unwrap_or([0; 32])),
                        enabled: index % 2 == 0,
                        level: -5,
                        pending: (index % 3 == 0).then_some(700),
                        queue: (0..16).collect(),
                        $($fresh: $value),*
                    })
                    .collect();
                Machine { devices }
            }
        }
    };
}

device!(old, 1, { pub(crate) name: u32, }, name: 9);
device!(new, 2, {
    #[vmstate(alias("name", until = 1))]
    pub(crate) label: u32,
    #[vmstate(since = 2, default = 7)]
    pub(crate) trigger: u8,
}, label: 9, trigger: 7);

fn schemas(live: &dyn Instance) -> (Schema, SchemaTable) {
    let mut table = SchemaTable::new();
    let type_ref = live.collect_schemas(live.version(), &mut table);
    (table.resolve(&type_ref).cloned().expect("it was just collected"), table)
}

/// Version 1's state into version 2: as one instance, and as a machine has it, an instance for each
/// device.
fn cross_schema(group: &mut BenchmarkGroup<'_, WallTime>, machine: &mut new::Machine) {
    let older = old::machine();
    let (schema, table) = schemas(&older);
    let mut old_bytes = Vec::new();
    older.save(1, &mut old_bytes).expect("it is saveable");
    group.bench_function("load/vmstate-cross-schema", |b| {
        b.iter(|| {
            let mut staged =
                machine.stage(black_box(&old_bytes), &schema, &table).expect("version 1 loads");
            Instance::swap(machine, &mut staged).expect("the same type");
            Instance::finish(machine, &staged)
        });
    });
    let mut devices = machine.devices.clone();
    let (schema, table) = schemas(&older.devices[0]);
    let parts: Vec<Vec<u8>> = older
        .devices
        .iter()
        .map(|device| {
            let mut bytes = Vec::new();
            device.save(1, &mut bytes).expect("it is saveable");
            bytes
        })
        .collect();
    group.bench_function("load/vmstate-cross-schema-by-instance", |b| {
        b.iter(|| {
            for (live, bytes) in devices.iter_mut().zip(&parts) {
                let mut staged =
                    live.stage(black_box(bytes), &schema, &table).expect("version 1 loads");
                Instance::swap(live, &mut staged).expect("the same type");
                Instance::finish(live, &staged).expect("no hook refuses");
            }
        });
    });
}

fn codec(criterion: &mut Criterion) {
    let mut machine = new::machine();
    let mut bytes = Vec::new();
    machine.save(2, &mut bytes).expect("it is saveable");
    let plain = postcard::to_stdvec(&machine).expect("it is serialisable");
    assert_eq!(bytes.len(), plain.len(), "equal structs take equal space on one wire");
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(bytes.len() as u64));

    group.bench_function("save/postcard", |b| {
        let mut out = vec![0; plain.len() + 16];
        b.iter(|| postcard::to_slice(black_box(&machine), &mut out).map(|bytes| bytes.len()));
    });
    group.bench_function("save/vmstate", |b| {
        let mut out = Vec::with_capacity(bytes.len() + 16);
        b.iter(|| {
            out.clear();
            Instance::save(black_box(&machine), 2, &mut out).map(|()| out.len())
        });
    });
    group.bench_function("load/postcard", |b| {
        b.iter(|| machine = postcard::from_bytes(black_box(&plain)).expect("its own bytes"));
    });
    let (schema, table) = schemas(&machine);
    group.bench_function("load/vmstate", |b| {
        b.iter(|| {
            let mut staged =
                machine.stage(black_box(&bytes), &schema, &table).expect("its own bytes");
            Instance::swap(&mut machine, &mut staged).expect("the same type");
            Instance::finish(&mut machine, &staged)
        });
    });
    cross_schema(&mut group, &mut machine);
    group.bench_function("checksum", |b| b.iter(|| crc32c::crc32c(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
