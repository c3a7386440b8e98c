//! What a recording promises when it is whole, growing, cut, hit, foreign or too new.

use std::{fs, path::PathBuf, sync::Arc};

use vmstate::property::Random;

use crate::{clock::Position, door::kind};

use super::{
    DIGEST_TRANSCRIPT, Damage, Description, END, Ending, FrameHeader, FrameKind, HEADER_LEN, Image,
    JournalError, PREAMBLE_LEN, Reader, Record, Writer,
};

struct Sample {
    folder: tempfile::TempDir,
    records: Vec<Record>,
}

impl Sample {
    fn path(&self) -> PathBuf {
        self.folder.path().join("run.rec")
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    /// Opens `bytes` in place of the sample.
    fn open(&self, bytes: &[u8]) -> Result<Reader, JournalError> {
        let path = self.folder.path().join("hurt.rec");
        fs::write(&path, bytes).unwrap();
        Reader::open(&path)
    }
}

fn description() -> Description {
    Description {
        producer: "emulator 0.0.0".to_owned(),
        needs: vec!["records-1".to_owned()],
        machine: "riscv64-virt@1.0".to_owned(),
        properties: [("memory".to_owned(), "128M".to_owned())].into(),
        images: vec![Image::of("kernel", "demo.elf", b"demo")],
        transcript_every: 1 << 24,
        state_every: 1 << 28,
        parent: None,
    }
}

fn record(kind: &str, needed: bool, steps: u64, data: Vec<u8>) -> Record {
    Record {
        position: Position { steps, idle_ns: steps / 3, sequence: u64::from(needed) },
        kind: Arc::from(kind),
        target: Arc::from(if needed { "soc/uart0" } else { "" }),
        needed,
        transcript: (!steps.is_multiple_of(5)).then_some(steps.wrapping_mul(0x9e37_79b9)),
        data,
    }
}

/// A recording of six batches: inputs, digests and the end; progress marks stand between them.
fn sample(seed: u64) -> Sample {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random::new(seed);
    let mut writer = Writer::create(&folder.path().join("run.rec"), &description()).unwrap();
    let mut records = Vec::new();
    let mut steps = 0;
    for batch in 0..6 {
        for _ in 0..1 + random.below(8) {
            steps += random.below(1 << 30);
            let data = (0..random.below(40)).map(|_| random.next().to_le_bytes()[0]).collect();
            let next = if random.below(2) == 0 {
                record(kind::SERIAL_INPUT, true, steps, data)
            } else {
                record(DIGEST_TRANSCRIPT, false, steps, data)
            };
            writer.record(&next).unwrap();
            records.push(next);
        }
        if batch == 5 {
            let end = Record { needed: false, ..record(END, false, steps, b"power-off".to_vec()) };
            writer.record(&end).unwrap();
            records.push(end);
        }
        let now = records.last().unwrap().position;
        writer.flush(now).unwrap();
        if batch < 5 {
            steps += 1 + random.below(1 << 30);
            writer.flush(record(kind::SERIAL_INPUT, true, steps, Vec::new()).position).unwrap();
        }
    }
    writer.finish(records.last().unwrap().position).unwrap();
    Sample { folder, records }
}

fn all(reader: &Reader) -> Vec<Record> {
    reader.records().unwrap().map(|record| record.unwrap()).collect()
}

#[test]
fn records_read_back_as_written() {
    let sample = sample(1);
    let reader = Reader::open(&sample.path()).unwrap();
    assert_eq!(reader.description(), &description());
    assert_eq!(reader.ending(), Ending::Complete);
    assert_eq!(all(&reader), sample.records);
    assert_eq!(reader.record_count(), sample.records.len() as u64);
    let last = sample.records.last().unwrap().position;
    assert_eq!(reader.last(), Position { sequence: 0, ..last });
}

#[test]
fn a_recording_is_readable_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let mut writer = Writer::create(&path, &description()).unwrap();
    assert_eq!(Reader::open(&path).unwrap().ending(), Ending::Open);
    for steps in 1..20 {
        let next = record(kind::SERIAL_INPUT, true, steps, vec![b'a'; 100]);
        writer.record(&next).unwrap();
        writer.flush(next.position).unwrap();
        let reader = Reader::open(&path).unwrap();
        assert_eq!(reader.ending(), Ending::Open);
        assert_eq!(reader.last().steps, steps);
        assert_eq!(all(&reader).len() as u64, steps);
    }
}

#[test]
fn progress_without_records_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let mut writer = Writer::create(&path, &description()).unwrap();
    let far = Position { steps: 77, idle_ns: 5, sequence: 0 };
    let before = writer.bytes();
    writer.flush(far).unwrap();
    assert_eq!(writer.bytes() - before, 20, "bytes of a progress mark");
    writer.flush(far).unwrap();
    assert_eq!(writer.bytes() - before, 20, "nothing new, nothing written");
    assert_eq!(Reader::open(&path).unwrap().last(), far);
    // A guest that sleeps for days goes further than a mark can say.
    let farther = Position { steps: 78, idle_ns: far.idle_ns + (1 << 48), sequence: 0 };
    writer.flush(farther).unwrap();
    let reader = Reader::open(&path).unwrap();
    assert_eq!((reader.last(), reader.record_count()), (farther, 0));
}

#[test]
fn a_cut_at_every_byte_of_the_last_three_frames_keeps_every_whole_frame() {
    let sample = sample(2);
    let bytes = sample.bytes();
    let whole = Reader::open(&sample.path()).unwrap();
    let ends: Vec<u64> = whole.frames().iter().map(super::FrameAt::end).collect();
    for cut in ends[ends.len() - 4]..bytes.len() as u64 {
        let hurt = sample.open(&bytes[..usize::try_from(cut).unwrap()]).unwrap();
        let kept = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(hurt.frames(), &whole.frames()[..kept], "cut at {cut}");
        let expected = if ends.contains(&cut) {
            Ending::Open
        } else {
            Ending::Damaged { offset: ends[kept - 1], damage: Damage::Truncated }
        };
        assert_eq!(hurt.ending(), expected, "cut at {cut}");
        assert_eq!(hurt.last(), whole.frames()[kept - 1].header.last, "cut at {cut}");
        let records = all(&hurt);
        assert_eq!(records, sample.records[..records.len()], "cut at {cut}");
    }
}

#[test]
fn a_cut_anywhere_is_an_error_or_a_prefix() {
    let sample = sample(3);
    let bytes = sample.bytes();
    for cut in (0..bytes.len()).step_by(5) {
        if let Ok(reader) = sample.open(&bytes[..cut]) {
            assert_ne!(reader.ending(), Ending::Complete, "cut at {cut}");
            let records = all(&reader);
            assert_eq!(records, sample.records[..records.len()], "cut at {cut}");
        }
    }
}

#[test]
fn a_thousand_bit_flips_are_never_misread() {
    let seed = 0x5eed_0006;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let sample = sample(4);
    let path = sample.folder.path().join("packed.rec");
    let plain = Reader::open(&sample.path()).unwrap();
    let mut writer = Writer::copy(&path, &plain).unwrap();
    writer.pieces(FrameKind::Image, plain.last(), 0, b"demo").unwrap();
    writer.finish(plain.last()).unwrap();
    let whole = fs::read(&path).unwrap();
    for _ in 0..1_000 {
        let mut bytes = whole.clone();
        let bit = random.below(whole.len() as u64 * 8);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        // Every bit is covered: a flip refuses the file, ends it early or refuses the image.
        let Ok(mut reader) = sample.open(&bytes) else { continue };
        assert_eq!(reader.description(), &description(), "bit {bit}");
        let records = all(&reader);
        assert_eq!(records, sample.records[..records.len()], "bit {bit}");
        match reader.ending() {
            Ending::Damaged { .. } => {
                assert!(reader.frames().len() <= plain.frames().len(), "bit {bit}")
            }
            _ => assert!(reader.packed_images().is_err(), "bit {bit}"),
        }
    }
}

#[test]
fn random_bytes_behind_a_good_beginning_end_it_there() {
    let sample = sample(5);
    let mut random = Random::new(0x5eed_0007);
    let bytes = sample.bytes();
    let second = Reader::open(&sample.path()).unwrap().frames()[1];
    let keep = usize::try_from(second.offset).unwrap();
    for _ in 0..200 {
        let mut hurt = bytes[..keep].to_vec();
        hurt.extend((0..random.below(400)).map(|_| random.next().to_le_bytes()[0]));
        let reader = sample.open(&hurt).unwrap();
        assert_eq!(reader.frames().len(), 1);
        assert_ne!(reader.ending(), Ending::Complete);
    }
}

#[test]
fn bytes_left_over_from_another_recording_are_told_apart() {
    let (first, second) = (sample(6), sample(7));
    let folder = tempfile::tempdir().unwrap();
    let other = Description { machine: "riscv64-virt@1.1".to_owned(), ..description() };
    let path = folder.path().join("other.rec");
    drop(Writer::create(&path, &other).unwrap());
    let other_id = Reader::open(&path).unwrap().recording();
    let mut bytes = fs::read(&path).unwrap();
    let tail = Reader::open(&second.path()).unwrap().frames()[1];
    bytes.extend_from_slice(&second.bytes()[usize::try_from(tail.offset).unwrap()..]);
    let reader = first.open(&bytes).unwrap();
    let damage = Damage::Foreign { expected: other_id, found: tail.header.recording };
    assert_eq!(reader.ending(), Ending::Damaged { offset: bytes_before(&reader), damage });
}

fn bytes_before(reader: &Reader) -> u64 {
    reader.frames().last().unwrap().end()
}

#[test]
fn a_doubled_or_lost_frame_ends_the_recording_before_it() {
    let sample = sample(8);
    let bytes = sample.bytes();
    let frames = Reader::open(&sample.path()).unwrap().frames().to_vec();
    let cut = |from: usize, to: usize| {
        &bytes[usize::try_from(frames[from].offset).unwrap()
            ..usize::try_from(frames[to].end()).unwrap()]
    };
    let start = &bytes[..PREAMBLE_LEN];
    // Records have odd numbers here, progress marks even ones.
    for (label, hurt, damage, before) in [
        (
            "doubled records",
            [cut(0, 3), cut(3, 6)].concat(),
            Damage::Number { expected: 4, found: 3 },
            3,
        ),
        ("lost", [cut(0, 2), cut(5, 6)].concat(), Damage::Number { expected: 3, found: 5 }, 2),
        ("doubled mark", [cut(0, 2), cut(2, 6)].concat(), Damage::MarkChecksum, 2),
        ("lost before a mark", [cut(0, 2), cut(4, 6)].concat(), Damage::MarkChecksum, 2),
    ] {
        let reader = sample.open(&[start, hurt.as_slice()].concat()).unwrap();
        let offset = frames[before].end();
        assert_eq!(reader.ending(), Ending::Damaged { offset, damage }, "{label}");
    }
}

/// Appends a frame of a kind that no build knows yet.
fn with_unknown_frame(sample: &Sample, needed: bool) -> Vec<u8> {
    let mut bytes = sample.bytes();
    let reader = Reader::open(&sample.path()).unwrap();
    let last = reader.frames().last().unwrap().header;
    let header = FrameHeader {
        kind: FrameKind::Unknown(900),
        needed,
        is_last: false,
        compressed: false,
        stored_len: 3,
        raw_len: 3,
        number: last.number + 1,
        payload_crc: crc32c::crc32c(b"new"),
        first: last.last,
        ..last
    };
    bytes.extend_from_slice(&header.to_bytes());
    bytes.extend_from_slice(b"new");
    bytes
}

#[test]
fn an_unknown_frame_is_passed_over_unless_replay_needs_it() {
    let sample = sample(9);
    let bytes = with_unknown_frame(&sample, false);
    let reader = sample.open(&bytes).unwrap();
    assert_eq!(reader.ending(), Ending::Complete);
    assert_eq!(all(&reader), sample.records);
    let reader = sample.open(&with_unknown_frame(&sample, true)).unwrap();
    let offset = bytes.len() as u64 - 3 - HEADER_LEN as u64;
    assert_eq!(reader.ending(), Ending::Damaged { offset, damage: Damage::UnknownKind(900) });
}

#[test]
fn an_unknown_input_is_known_to_be_needed_and_an_unknown_annotation_is_not() {
    for (kind, needed, foreign) in [
        ("net.hologram", true, true),
        ("digest.quantum", false, false),
        (kind::SERIAL_INPUT, true, false),
    ] {
        assert_eq!(record(kind, needed, 1, Vec::new()).is_foreign(), foreign, "{kind}");
    }
}

#[test]
fn a_recording_that_needs_more_than_this_build_has_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let needs = vec!["records-1".to_owned(), "time-travel-2".to_owned()];
    drop(Writer::create(&path, &Description { needs, ..description() }).unwrap());
    let message = Reader::open(&path).unwrap_err().to_string();
    assert!(message.contains("needs time-travel-2, which this build lacks"), "{message}");
}

#[test]
fn a_newer_format_is_refused_by_number_and_another_file_by_its_magic() {
    let sample = sample(10);
    let mut bytes = sample.bytes();
    bytes[8] = 9;
    let crc = crc32c::crc32c(&bytes[..12]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let message = sample.open(&bytes).unwrap_err().to_string();
    assert!(message.contains("recording format 9; this build reads up to 1"), "{message}");
    let message = sample.open(b"#!/bin/sh\necho no recording at all\n").unwrap_err().to_string();
    assert!(message.contains("not a recording"), "{message}");
}

#[test]
fn a_changed_image_is_refused_by_name_and_digest() {
    let image = Image::of("kernel", "vmlinux", b"right");
    assert!(image.check(b"right").is_ok());
    let message = image.check(b"wrong").unwrap_err().to_string();
    for part in ["kernel vmlinux", &image.digest, "give the recorded file"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn images_are_packed_and_a_hurt_one_is_refused_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.rec");
    let (small, large) = (b"firmware".to_vec(), vec![7; 9 << 20]);
    let images = vec![Image::of("firmware", "", &small), Image::of("kernel", "k", &large)];
    let mut writer = Writer::create(&path, &Description { images, ..description() }).unwrap();
    let input = record(kind::SERIAL_INPUT, true, 5, b"x".to_vec());
    writer.record(&input).unwrap();
    writer.finish(input.position).unwrap();
    let mut plain = Reader::open(&path).unwrap();
    assert!(plain.packed_images().unwrap().is_none());

    let packed = folder.path().join("packed.rec");
    let mut writer = Writer::copy(&packed, &plain).unwrap();
    writer.pieces(FrameKind::Image, plain.last(), 0, &small).unwrap();
    writer.pieces(FrameKind::Image, plain.last(), 1, &large).unwrap();
    writer.finish(plain.last()).unwrap();
    let mut reader = Reader::open(&packed).unwrap();
    assert_eq!(all(&reader), [input]);
    assert_eq!(reader.packed_images().unwrap(), Some(vec![small, large]));

    let mut bytes = fs::read(&packed).unwrap();
    let last = *reader.frames().last().unwrap();
    let at = usize::try_from(last.end()).unwrap() - 1;
    bytes[at] ^= 1;
    fs::write(&packed, &bytes).unwrap();
    let mut hurt = Reader::open(&packed).unwrap();
    assert_eq!(hurt.record_count(), 1, "records do not depend on images");
    let message = hurt.packed_images().unwrap_err().to_string();
    assert!(message.contains(&format!("at byte {}", last.offset)), "{message}");
}
