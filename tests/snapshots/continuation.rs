//! A machine that was saved and loaded goes on as the one that was not.

use std::path::{Path, PathBuf};

use emulator::{
    machine::Stop,
    snapshot::{self, Chain, LoadOptions, SaveOptions},
};

use super::machines::{AT_PROMPT, Keys, NEW, OLD, build, config, demo, load, run, save, seen};

const COMMANDS: &str = "help\rdate\ruptime\rpoweroff 5\r";

fn in_folder(folder: &Path, names: [&str; 3]) -> [PathBuf; 3] {
    names.map(|name| folder.join(name))
}

/// The demo guest under way, typed at from some time on.
fn keys() -> Keys {
    Keys::typing(AT_PROMPT + 1, COMMANDS)
}

#[test]
fn a_loaded_machine_ends_as_the_one_that_never_stopped() {
    for name in [OLD, NEW] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s.vmstate");
        for (steps, compress) in
            [(1, false), (700, true), (100_000, false), (AT_PROMPT, true), (3_100_000, false)]
        {
            let (mut kept, mut typing) = (demo(name), keys());
            run(&mut kept, &mut typing, steps);
            save(&kept, &path, SaveOptions { base: None, compress });
            let mut loaded = build(name, &config());
            load(&mut loaded, &path).expect("it loads");
            assert_eq!(seen(&loaded), seen(&kept), "{name} at {steps}");
            let mut again = Keys { due: typing.due.clone(), ..Keys::default() };
            for (machine, typing) in [(&mut kept, &mut typing), (&mut loaded, &mut again)] {
                let stop = run(machine, typing, 60_000_000);
                assert_eq!(
                    stop,
                    Stop::PoweredOff { code: 5 },
                    "{name} at {steps}: {}",
                    typing.said
                );
            }
            assert_eq!(seen(&loaded), seen(&kept), "{name} at the end");
        }
    }
}

#[test]
fn increments_and_their_flat_file_hold_what_the_machine_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let [full, second, third] = in_folder(folder.path(), ["full", "second", "third"]);
    for compress in [false, true] {
        let (mut machine, mut typing) = (demo(NEW), keys());
        let mut wanted = Vec::new();
        let mut base = None;
        for (path, steps) in [(&full, 1_000_000), (&second, 3_500_000), (&third, 4_000_000)] {
            run(&mut machine, &mut typing, steps);
            save(&machine, path, SaveOptions { base, compress });
            wanted.push(seen(&machine));
            base = Some(path.as_path());
        }
        let flat = folder.path().join("flat");
        snapshot::flatten(&Chain::open(&third).expect("a chain"), &flat, compress).expect("flat");
        for (path, index) in [(&full, 0), (&second, 1), (&third, 2), (&flat, 2)] {
            let mut loaded = build(NEW, &config());
            load(&mut loaded, path).expect("it loads");
            assert_eq!(seen(&loaded), wanted[index], "{}", path.display());
        }
        let layers = |path| Chain::open(path).expect("it opens").layers().len();
        assert_eq!([&full, &second, &third, &flat].map(layers), [1, 2, 3, 1]);
    }
}

#[test]
fn an_increment_holds_only_what_was_written_since() {
    let folder = tempfile::tempdir().expect("a folder");
    let [full, second, _] = in_folder(folder.path(), ["full", "second", ""]);
    let mut machine = demo(NEW);
    run(&mut machine, &mut Keys::default(), AT_PROMPT);
    save(&machine, &full, SaveOptions::default());
    for page in [3_u64, 9, 700] {
        machine.memory().write(0x8030_0000 + page * 4096, b"written").expect("it is RAM");
    }
    save(&machine, &second, SaveOptions { base: Some(&full), compress: false });
    let raws = &Chain::open_alone(&second).expect("a file").newest().header().raws.clone();
    let pages: u64 = raws.iter().map(|raw| raw.data.length / 4096).sum();
    assert_eq!(pages, 3);
}

#[test]
fn the_file_is_never_modified_by_the_machine_that_runs_from_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.vmstate");
    let mut machine = demo(NEW);
    run(&mut machine, &mut Keys::default(), AT_PROMPT);
    super::machines::fill(&machine, 300);
    save(&machine, &path, SaveOptions::default());
    let before = std::fs::read(&path).expect("the file");
    let chain = Chain::open(&path).expect("it opens");
    snapshot::load_machine(&mut machine, &chain, LoadOptions::default()).expect("it loads");
    for page in 0..300 {
        machine.memory().write(0x8010_0000 + page * 4096, &[0; 64]).expect("it is RAM");
    }
    run(&mut machine, &mut keys(), 60_000_000);
    assert!(std::fs::read(&path).expect("the file") == before);
}
