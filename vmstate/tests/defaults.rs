//! `default` of a field that is a deriving struct itself: at reset, for a file without the field, and in
//! the schema. Wiring and configuration inside it are not touched by any of them.

use vmstate::{Instance, VmState};

#[derive(VmState, Clone, Copy, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Fifo {
    /// Configuration.
    #[vmstate(equal)]
    size: u8,
    level: u8,
    #[vmstate(when = |fifo: &Fifo| fifo.size > 4)]
    threshold: u8,
}

#[derive(VmState, Clone, Debug, Default, PartialEq)]
#[vmstate(version = 1)]
struct Line {
    #[vmstate(skip("wiring"))]
    sink: String,
    #[vmstate(equal)]
    number: u8,
    is_high: bool,
}

impl Line {
    fn high() -> Self {
        Self { sink: "of the default".to_owned(), number: 9, is_high: true }
    }
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 2, wired)]
struct Uart {
    #[vmstate(default = Fifo { size: 8, level: 2, threshold: 6 })]
    fifo: Fifo,
    #[vmstate(default = Line::high())]
    line: Line,
    #[vmstate(default = [Line::high(), Line::default()])]
    pair: [Line; 2],
    #[vmstate(since = 2, default)]
    extra: Line,
    #[vmstate(since = 2, default = Line::high(), subsection(needed = |_: &Uart| false))]
    rare: Line,
}

#[derive(VmState, Clone, Debug, PartialEq)]
#[vmstate(version = 1)]
struct Plain {
    #[vmstate(default = [Fifo { size: 8, level: 2, threshold: 6 }; 2])]
    fifos: [Fifo; 2],
    #[vmstate(default = 3)]
    divisor: u16,
}

fn line(sink: &str, number: u8, is_high: bool) -> Line {
    Line { sink: sink.to_owned(), number, is_high }
}

fn live() -> Uart {
    Uart {
        fifo: Fifo { size: 4, level: 4, threshold: 1 },
        line: line("a", 1, false),
        pair: [line("b", 2, false), line("c", 3, true)],
        extra: line("d", 4, true),
        rare: line("e", 5, false),
    }
}

#[test]
fn reset_leaves_wiring_and_configuration_inside_a_field_with_a_default() {
    let mut uart = live();
    Instance::reset(&mut uart);
    let expected = Uart {
        // A size of 4 has no threshold, which is no reason to keep the level.
        fifo: Fifo { size: 4, level: 2, threshold: 6 },
        line: line("a", 1, true),
        pair: [line("b", 2, true), line("c", 3, false)],
        extra: line("d", 4, false),
        rare: line("e", 5, true),
    };
    assert_eq!(uart, expected);

    let mut plain = Plain { fifos: [Fifo { size: 4, level: 4, threshold: 1 }; 2], divisor: 7 };
    plain.fifos[1].size = 16;
    Instance::reset(&mut plain);
    let levels = plain.fifos.map(|fifo| (fifo.size, fifo.level));
    assert_eq!((levels, plain.divisor), ([(4, 2), (16, 2)], 3));
}

#[test]
fn a_file_from_before_a_wired_field_gives_it_the_default() {
    let mut uart = live();
    // `number` is compared with what the live machine has, so the machine has the default's.
    uart.extra.number = 0;
    uart.rare.number = 9;
    let mut bytes = Vec::new();
    // Version 1 cannot hold what version 2 added, unless it is the default.
    let mut old = uart.clone();
    old.extra.is_high = false;
    old.rare.is_high = true;
    old.save(1, &mut bytes).expect("all that is new is at its default");

    let mut table = vmstate::schema::SchemaTable::new();
    let writer = (&uart as &dyn Instance).collect_schemas(1, &mut table);
    let schema = table.resolve(&writer).expect("it was just collected");
    let mut staged = uart.stage(&bytes, schema, &table).expect("version 1 loads");
    Instance::swap(&mut uart, &mut staged).expect("its own");
    Instance::finish(&mut uart, &staged).expect("nothing refuses");
    assert_eq!(uart.extra, line("d", 0, false), "the type's own default");
    assert_eq!(uart.rare, line("e", 9, true));
}

#[test]
fn the_default_of_a_wired_field_stands_in_the_schema() {
    let entry = vmstate::lock::Entry::of(&Uart::DEF, 2);
    let default = |path: &str| {
        let field = entry.fields.iter().find(|field| field.path == path);
        field.expect("the schema has it").default.clone()
    };
    // `is_high`, then `number`.
    assert_eq!(default("line"), "0109");
    assert_eq!(default("extra"), "0000");
}
