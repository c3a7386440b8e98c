//! `scripts/fetch-guests`: where it gets things from, and what it says when it cannot.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A place for the guests, and a folder of programs that come before the system's own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().expect("a folder") };
        for name in ["bin", "guests"] {
            std::fs::create_dir(place.path(name)).expect("a folder");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a shell script in front of the program called `name`.
    fn replace(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("it is written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, executable).expect("it is ours");
    }

    /// Makes the programs of the system that the script uses known under their own names, but for
    /// those in `without`.
    fn only(&self, without: &str) {
        let folders = std::env::var("PATH").expect("there is a search path");
        for name in
            ["sh", "dirname", "cat", "sha256sum", "mkdir", "grep", "dpkg-deb", "cpio", "gzip"]
        {
            let mut places = folders.split(':').map(|folder| Path::new(folder).join(name));
            if name != without
                && let Some(program) = places.find(|path| path.exists())
            {
                std::os::unix::fs::symlink(program, self.path("bin").join(name)).expect("a link");
            }
        }
    }

    /// Runs the script with `search` as its search path.
    fn fetch(&self, search: &str, variables: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fetch-guests");
        let mut command = Command::new("/bin/sh");
        command.arg(script).env("PATH", search).env("GUEST_DIR", self.path("guests"));
        command.env_remove("GUEST_MIRROR").envs(variables.iter().copied());
        command.output().expect("the script runs")
    }

    fn bin(&self) -> String {
        self.path("bin").display().to_string()
    }

    /// The replaced programs before the system's.
    fn first(&self) -> String {
        format!("{}:{}", self.bin(), std::env::var("PATH").expect("there is a search path"))
    }
}

/// What it said when it failed.
#[track_caller]
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_apt_it_says_what_is_missing_and_what_to_do_instead() {
    let place = Place::new();
    place.only("apt-get");
    let said = complaint(&place.fetch(&place.bin(), &[]));
    assert!(said.contains("fetch-guests: apt-get is missing"), "{said}");
    assert!(said.contains("put Image, initrd.gz"), "{said}");
}

#[test]
fn without_a_mirror_it_names_the_variable() {
    let place = Place::new();
    place.replace("apt-get", "exit 0");
    let said = complaint(&place.fetch(&place.first(), &[]));
    assert!(said.contains("names no Debian mirror: set GUEST_MIRROR"), "{said}");
}

#[test]
fn the_mirror_is_the_systems_own_and_the_lists_are_the_projects() {
    let place = Place::new();
    let calls = place.path("calls");
    // Answers for the mirror, writes down every call and has no network.
    place.replace(
        "apt-get",
        &format!(
            "echo \"$*\" >>{}\ncase $1 in indextargets) echo http://127.0.0.1:9/debian/ ;; \
             *) echo 'W: Failed to fetch: no route to host' ;; esac",
            calls.display()
        ),
    );
    let said = complaint(&place.fetch(&place.first(), &[]));
    assert!(said.contains("no route to host"), "{said}");
    assert!(said.contains("the lists could not be brought"), "{said}");
    let apt = place.path("guests/apt");
    let sources = std::fs::read_to_string(apt.join("sources.list")).expect("it is written");
    assert!(sources.starts_with("deb [arch=riscv64 signed-by="), "{sources}");
    assert!(sources.contains(" http://127.0.0.1:9/debian/ "), "{sources}");
    let calls = std::fs::read_to_string(calls).expect("it was called");
    let update = calls.lines().find(|line| line.ends_with(" update")).expect("an update");
    for option in ["Dir::Etc::SourceList", "Dir::State::Lists", "Dir::Cache::Archives"] {
        let own = format!("-o{option}={}", apt.display());
        assert!(update.contains(&own), "{own}\n{update}");
    }
}

#[test]
fn a_variable_overrules_the_systems_mirror() {
    let place = Place::new();
    place.replace("apt-get", "echo 'E: no network'; exit 100");
    let mirror = [("GUEST_MIRROR", "http://127.0.0.1:9/other")];
    let said = complaint(&place.fetch(&place.first(), &mirror));
    assert!(said.contains("no lists from the mirror (network?)"), "{said}");
    let sources = std::fs::read_to_string(place.path("guests/apt/sources.list"));
    assert!(sources.expect("it is written").contains(" http://127.0.0.1:9/other "));
}
