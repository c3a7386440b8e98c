//! `docs/src/journal-format.md` is right: this reads the committed recordings by the chapter alone, with
//! nothing of the library.

use std::path::Path;

use super::goldens::KEYS;

/// Bytes, read from the front.
#[derive(Clone)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(count);
        self.0 = tail;
        head
    }

    /// A little-endian integer of `count` bytes.
    fn int(&mut self, count: usize) -> u64 {
        self.take(count).iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn varint(&mut self) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.int(1);
            value |= (byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    fn counted(&mut self) -> &'a [u8] {
        let count = usize::try_from(self.varint()).unwrap();
        self.take(count)
    }

    fn text(&mut self) -> &'a str {
        std::str::from_utf8(self.counted()).unwrap()
    }
}

/// CRC32C by its definition: one bit at a time.
fn crc32c(bytes: &[u8]) -> u64 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
    u64::from(!bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step)))
}

type Span = (u64, u64);

struct Frame {
    kind: u64,
    is_last: bool,
    first: Span,
    last: Span,
    payload: Vec<u8>,
}

/// The frames of `file`, to its last byte, and the recording's identity.
fn frames(file: &[u8]) -> Vec<Frame> {
    let mut rest = Bytes(file);
    assert_eq!(rest.take(8), [0x89, 0x45, 0x4d, 0x52, 0x0d, 0x0a, 0x1a, 0x0a]);
    assert_eq!(rest.int(4), 1, "version of the framing");
    assert_eq!(rest.int(4), crc32c(&file[..12]));
    let mut found: Vec<Frame> = Vec::new();
    let (mut identity, mut number, mut reached) = (None, 0, (0, 0));
    while !rest.0.is_empty() {
        let start = rest.clone();
        let magic = rest.take(4);
        if magic == b"PRG1" {
            reached = (reached.0 + rest.int(6), reached.1 + rest.int(6));
            let place =
                [identity.unwrap(), number].map(|word: u64| word.to_le_bytes()[..4].to_vec());
            assert_eq!(rest.int(4), crc32c(&[place.concat(), start.0[..16].to_vec()].concat()));
            number += 1;
            continue;
        }
        assert_eq!(magic, b"FRM1", "frame {number}");
        let (kind, flags) = (rest.int(2), rest.int(2));
        assert!(flags < 8, "all other flags are 0");
        let (stored, raw) = (rest.int(4), rest.int(4));
        assert_eq!(rest.int(4), number);
        let of = rest.int(4);
        let (first, last) = ((rest.int(8), rest.int(8)), (rest.int(8), rest.int(8)));
        let payload_crc = rest.int(4);
        assert_eq!(rest.int(4), crc32c(&start.0[..60]));
        let stored = rest.take(usize::try_from(stored).unwrap());
        assert_eq!(payload_crc, crc32c(stored));
        let raw = usize::try_from(raw).unwrap();
        let payload = match flags & 1 {
            0 => stored.to_vec(),
            _ => zstd::bulk::decompress(stored, raw).unwrap(),
        };
        assert_eq!(payload.len(), raw);
        let first_four = || Bytes(&blake3::hash(&payload).as_bytes()[..]).int(4);
        assert_eq!(*identity.get_or_insert_with(first_four), of, "frame {number}");
        assert_eq!(kind == 1, number == 0, "the description is the first frame");
        assert_eq!(flags >> 1 & 1, u64::from(kind <= 2), "needed: description and records");
        assert!(first <= last);
        if kind == 2 {
            assert_eq!(first, reached, "a records frame begins where the one before ended");
            reached = last;
        }
        found.push(Frame { kind, is_last: flags & 4 != 0, first, last, payload });
        number += 1;
    }
    found
}

struct Record {
    kind: String,
    needed: bool,
    target: String,
    at: (u64, u64, u64),
    has_transcript: bool,
    data: Vec<u8>,
}

fn records(frames: &[Frame]) -> Vec<Record> {
    let mut names: Vec<(bool, String)> = Vec::new();
    let mut found = Vec::new();
    for frame in frames.iter().filter(|frame| frame.kind == 2) {
        let mut rest = Bytes(&frame.payload);
        for _ in 0..rest.varint() {
            names.push((rest.int(1) == 1, rest.text().to_owned()));
        }
        let (mut steps, mut idle_ns) = frame.first;
        for _ in 0..rest.varint() {
            let mut name = || names[usize::try_from(rest.varint()).unwrap()].clone();
            let ((needed, kind), (_, target)) = (name(), name());
            steps += rest.varint();
            idle_ns += rest.varint();
            let at = (steps, idle_ns, rest.varint());
            let has_transcript = rest.int(1) == 1;
            rest.take(if has_transcript { 8 } else { 0 });
            let data = rest.counted().to_vec();
            found.push(Record { kind, needed, target, at, has_transcript, data });
        }
        assert!((steps, idle_ns) <= frame.last);
        assert!(rest.0.is_empty(), "a records frame ends with its last record");
    }
    found
}

/// The next thing that pieces of `kind` in `frames` make up; what identity it must have is known.
fn assembled<'a>(frames: &mut impl Iterator<Item = &'a Frame>, identity: u64) -> Vec<u8> {
    let mut content = Vec::new();
    for frame in frames {
        let mut rest = Bytes(&frame.payload);
        assert_eq!((rest.int(8), rest.int(8)), (identity, content.len() as u64));
        content.extend_from_slice(rest.0);
        if frame.is_last {
            return content;
        }
    }
    panic!("no last piece of {identity}");
}

/// Checks the checkpoints in `frames`; returns how many there are.
fn checkpoints(frames: &[Frame]) -> usize {
    let (mut pages, mut number) = (Vec::new(), 0);
    let mut rest = frames.iter();
    while let Some(frame) = rest.next() {
        match frame.kind {
            3 => {
                let mut piece = Bytes(&frame.payload);
                assert_eq!((piece.int(8), piece.int(8)), (number, pages.len() as u64));
                assert!(!frame.is_last, "how many there are says the state");
                pages.extend_from_slice(piece.0);
            }
            5 => {
                let mut behind =
                    std::iter::once(frame).chain(&mut rest).filter(|frame| frame.kind == 5);
                let state = assembled(&mut behind, number);
                let mut state = Bytes(&state);
                assert_eq!((state.varint(), state.varint()), frame.first);
                let _sequence = state.varint();
                assert_eq!(state.counted()[..4], [0x93, 0x56, 0x4d, 0x53], "a snapshot");
                let mut with_bytes = 0;
                for _ in 0..state.varint() {
                    let (page, is_zero) = (state.varint(), state.int(1));
                    assert!(page < (16 << 20) / 4096 + 15, "a page of this machine");
                    with_bytes += 1 - is_zero;
                }
                assert!(state.0.is_empty());
                assert_eq!(with_bytes * 4096, pages.len() as u64);
                pages.clear();
                number += 1;
            }
            _ => {}
        }
    }
    usize::try_from(number).unwrap()
}

/// Checks the digests in `records`; returns how many states there are.
fn digests(records: &[Record]) -> usize {
    let (mut parts, mut states) = (0, 0);
    for record in records {
        let mut data = Bytes(&record.data);
        match record.kind.as_str() {
            "digest.parts" => {
                parts = data.varint();
                for _ in 0..parts {
                    assert!(data.text().contains('.'), "an instance and a field");
                }
            }
            "digest.state" => {
                data.take(8);
                let mut part = 0;
                for _ in 0..data.varint() {
                    part += data.varint() + 1;
                    data.take(4);
                }
                assert!(part <= parts, "{part} of {parts}");
                states += 1;
            }
            "digest.ram" => drop(data.take(16).to_vec()),
            "digest.transcript" => assert!(record.has_transcript),
            _ => continue,
        }
        assert!(data.0.is_empty() && !record.needed, "{}", record.kind);
    }
    states
}

#[test]
fn the_chapter_describes_the_golden_recordings_to_the_last_byte() {
    for version in ["1.0", "1.1"] {
        let name = format!("tests/recordings/demo-riscv64-virt-{version}.rec");
        let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let frames = frames(&file);

        let description: serde_json::Value = serde_json::from_slice(&frames[0].payload).unwrap();
        assert_eq!(description["needs"], serde_json::json!(["records-1"]));
        assert_eq!(description["machine"], format!("riscv64-virt@{version}"));
        assert_eq!(description["properties"]["memory-bytes"], (16 << 20).to_string());
        assert_eq!(description["transcript_every"], 2000);
        let images = description["images"].as_array().unwrap();
        let mut pieces = frames.iter().filter(|frame| frame.kind == 4);
        for (number, image) in images.iter().enumerate() {
            let content = assembled(&mut pieces, number as u64);
            assert_eq!(image["length"], content.len());
            assert_eq!(image["digest"], blake3::hash(&content).to_hex().as_str());
        }
        assert!(images.len() > 2 && pieces.next().is_none());

        let records = records(&frames);
        let inputs: Vec<_> = records.iter().filter(|record| record.needed).collect();
        let kinds: Vec<_> = inputs.iter().map(|input| input.kind.as_str()).collect();
        assert_eq!(kinds, ["clock.base", "seed", "serial.input"]);
        assert_eq!(inputs[0].data, 1_700_000_000_000_000_000_u64.to_le_bytes());
        assert_eq!((inputs[1].data.len(), inputs[1].data[0]), (32, 7));
        assert_eq!(
            (inputs[2].target.as_str(), inputs[2].data.as_slice()),
            ("soc/uart0", KEYS.as_bytes())
        );
        let ending = records.last().unwrap();
        assert_eq!(
            (ending.kind.as_str(), ending.data.as_slice()),
            ("recording.end", &b"power-off 7"[..])
        );
        assert!(records.is_sorted_by_key(|record| (record.at.0, record.at.1)));

        assert!(digests(&records) > 1);
        assert!(checkpoints(&frames) > 0);
    }
}
