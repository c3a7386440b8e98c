//! Every mistake that the derive can name, and what it says of it: always what to write instead.
//!
//! Problem: a message that no test shows rots, and it is the only part of the derive that a device author
//! reads. Strategy: all of them stand in one list, `Errors` and `Mistake` are the only ways to an error,
//! and a test holds the list against the cases in `vmstate/tests/ui`.

use std::fmt;

macro_rules! mistakes {
    ($($name:ident $({ $($hole:ident: $type:ty),+ })? = $template:literal,)+) => {
        /// A mistake; what is in braces in its message is its fields.
        pub(crate) enum Mistake {
            $($name $({ $($hole: $type),+ })?,)+
        }

        impl fmt::Display for Mistake {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name $({ $($hole),+ })? => write!(f, $template),)+
                }
            }
        }

        #[cfg(test)]
        const TEMPLATES: &[(&str, &str)] = &[$((stringify!($name), $template)),+];
    };
}

// The words of `#[vmstate(..)]`, and how each is written.
mistakes! {
    UnknownTypeWord = "unknown word; a type has `version`, `min_version`, `name`, \
        `semantic(revision, since)`, `removed(field: Type, since, until, default)`, `pre_save`, \
        `post_load`, `wired`, `lock`, `crate`",
    UnknownFieldWord = "unknown word; a field has `since`, `default`, `when`, `subsection(needed)`, \
        `alias(\"old\", until)`, `convert(from, until, up, down)`, `equal`, `validate`, \
        `flags(NAME = bit)`, `former_flags(until, NAME = bit)`, `max_len`, `skip(\"why\")`, \
        `cache(rebuild)`",
    UnknownVariantWord = "unknown word; a variant has `id`, `name`, `since`, `default`",
    UnknownRemovedWord = "a removed field has `since`, `until`, `default`, `max_len`, `flags`, `alias`, \
        `convert`",
    UnknownSemanticWord = "expected `revision` or `since`",
    WordTwice { word: String } = "`{word}` is given twice",
    Name = "a stable name has 1 to 128 ASCII letters, digits, `_`, `-`, `.` or `:`",
    SemanticUsage = "write `semantic(revision = 1, since = VERSION)`",
    SubsectionUsage = "write `subsection(needed = path)`",
    FlagsUsage = "write `flags(NAME = bit, ..)`",
    FormerFlagsUsage = "write `former_flags(until = LAST_VERSION_WITH_THEM, NAME = bit, ..)`",
    CacheUsage = "write `cache(rebuild = path)`",
    SkipUsage = "say why it is no state: `skip(\"host side wiring\")`",
    AliasUsage = "write `alias(\"old_name\", until = LAST_VERSION_WITH_IT)`",
    ConvertUsage = "write `convert(from = OldType, until = LAST_VERSION_WITH_IT, up = path, down = path)`",
    UntilOnField = "a field that is gone leaves the struct: delete it here and write \
        `#[vmstate(removed(name: Type, since = .., until = .., default = ..))]` on the struct",
    SkipAndCache = "a field is either `skip` or `cache`",
    WhenAndSubsection = "a field is either `when` or `subsection`",

    // Versions.
    NoVersion = "the state of a type has a version: write `#[vmstate(version = 1)]`",
    VersionZero = "versions start at 1",
    MinVersion { version: u32 } = "the oldest loadable version lies between 1 and {version}",
    SemanticSince { version: u32 } =
        "`since` of `semantic` ascends and is at most the version, {version}",
    OutOfVersions { name: String, version: u32 } = "versions of `{name}` are 1 to {version}",
    NoDefault { field: String, since: u32 } = "`{field}` came with version {since}: say what state from \
        before it gets, `default = VALUE` (or `default` for the type's own)",
    RemovedNoUntil { field: String, last: u32 } =
        "say which version had `{field}` last: `until = {last}`",
    RemovedInThisVersion { field: String, version: u32 } = "`{field}` is gone, so `until` is below the \
        version, {version}: bump the version if {version} was released",
    RemovedUntilBeforeSince = "`until` comes before `since`",
    RemovedNoDefault { field: String } =
        "what do older versions get for `{field}`? write `default = VALUE`",
    StepInThisVersion { what: String, last: u32, next: u32 } =
        "{what} is a new version: its `until` is at most {last}, or write `version = {next}`",
    StepsDescend { what: String, last: u32 } =
        "`until` of {what} comes after version {last}: the oldest stands first",

    // Types.
    Union = "a union does not say which of its fields is state",
    Lifetime = "state owns its values: a deriving type has no lifetimes",
    Usize = "the width of `usize` is the host's: write `u64` or `u32`",
    Isize = "the width of `isize` is the host's: write `i64` or `i32`",
    HashMap = "the order of a `HashMap` differs from run to run: write `BTreeMap`",
    HashSet = "the order of a `HashSet` differs from run to run: write `BTreeSet`",
    HostTime = "host time is no state: keep virtual time in nanoseconds as `u64`, or \
        `#[vmstate(skip(\"why\"))]`",
    Char = "`char` is no field kind: write `u32`",
    Shared = "shared or guarded values are wiring: keep the state beside them, and mark them \
        `#[vmstate(skip(\"why\"))]`",
    Recursive = "a type that contains itself has no bounded state: keep the elements in a `Vec` with \
        `max_len` and refer to them by index",
    Reference = "a reference is wiring: `#[vmstate(skip(\"why\"))]`, or own the value",
    Pointer = "a pointer is wiring: `#[vmstate(skip(\"why\"))]`",
    Slice = "a slice has no fixed length: write `Vec` with `max_len`, or an array",
    NoMaxLen { usage: String } = "a container that grows needs a maximum: write \
        `#[vmstate({usage})]`, the most elements that a file may make it hold",
    MaxLenOfScalar = "this type has no length",

    // Fields.
    TwoFieldsOneName { name: String, version: u32 } =
        "two fields are called `{name}` in version {version}",
    NoState { word: &'static str } =
        "a `{word}` field is no state, so the other words have no meaning here",
    EqualWithDefault = "an `equal` field is configuration: reset leaves it alone, so it has no default",
    FlagsOfOther = "`flags` names the bits of a u8, u16, u32 or u64",
    FlagOutside { last: u32 } = "the bits of this integer are 0 to {last}",
    FlagsShareBit { bit: u32, other: String } = "bit {bit} is already `{other}`",
    FlagTwice { name: String } = "the name `{name}` stands twice",

    // Enums.
    EnumRemoved = "an enum has no removed fields",
    EnumWired = "an enum is a plain value: it cannot be `wired`",
    NoVariants = "an enum without variants has no state",
    VariantNoId { variant: String } =
        "`{variant}` needs a number that never changes: write `#[vmstate(id = N)]` above it",
    VariantIdTwice { other: String, id: u32 } = "`{other}` already has the id {id}",
    VariantNameTwice { other: String } = "`{other}` already has this name",
    TwoDefaultVariants = "an enum has one default variant",
    VariantWiring =
        "a field of a variant is state: move what is not into the struct around the enum",
    VariantCondition = "a field of a variant cannot be `equal`, `when` or `subsection`",

    // The lock.
    LockUnreadable = "this lock cannot be read",
    LockMalformed { line: usize, lock: String } = "line {line} of {lock} is malformed: restore it",
    VersionGoesBack { name: String, version: u32 } =
        "version {version} of `{name}` was released (vmstate.lock): `version` cannot go back",
    SemanticChanged { name: String, was: u32, version: u32, bump: String, since: u32 } =
        "version {version} of `{name}` was released with the semantic revision {was} (vmstate.lock): \
        {bump}`semantic(revision = .., since = {since})`",
    FieldGone { field: String, kind: String, version: u32, bump: String, removed: String, name: String } =
        "`{field}` ({kind}) was released in version {version} (vmstate.lock) and is gone: \
        {bump}`{removed}` on the type; if it was renamed, `alias(\"{name}\", until = {version})` on \
        the field",
    VariantFieldGone { field: String, kind: String, version: u32, bump: String, name: String } =
        "`{field}` ({kind}) was released in version {version} (vmstate.lock) and is gone: the fields of \
        a variant stay, and a new variant has a new id; if it was renamed, {bump}\
        `alias(\"{name}\", until = {version})` on the field",
    FieldNew { field: String, version: u32, bump: String, since: u32 } =
        "`{field}` is not in the released version {version} (vmstate.lock): \
        {bump}`#[vmstate(since = {since}, default = ..)]` on the field",
    FieldReplaced {
        new: String,
        gone: String,
        kind: String,
        version: u32,
        bump: String,
        name: String,
        since: u32,
        removed: String
    } = "`{new}` is not in the released version {version} (vmstate.lock), and `{gone}` ({kind}) is gone: \
        if it was renamed, {bump}`#[vmstate(alias(\"{name}\", until = {version}))]` on the field; if \
        not, `#[vmstate(since = {since}, default = ..)]` on it and `{removed}` on the type",
    VariantFieldReplaced {
        new: String,
        gone: String,
        kind: String,
        version: u32,
        bump: String,
        name: String
    } = "`{new}` is not in the released version {version} (vmstate.lock), and `{gone}` ({kind}) is gone: \
        if it was renamed, {bump}`#[vmstate(alias(\"{name}\", until = {version}))]` on the field; if \
        not, restore it: the fields of a variant stay, and a new variant has a new id",
    SinceLater { path: String, version: u32 } =
        "`{path}` was released in version {version} (vmstate.lock), so its `since` is at most {version}",
    PresenceChanged { field: String, was: &'static str, version: u32 } =
        "`{field}` was {was} in the released version {version} (vmstate.lock), and stays so; a new field \
        may differ",
    KindChanged { field: String, kind: String, version: u32, bump: String, way: String } =
        "`{field}` was {kind} in the released version {version} (vmstate.lock): {bump}on the field {way}",
    FormerKindChanged { field: String, kind: String, version: u32, word: &'static str } =
        "`{field}` was {kind} in the released version {version} (vmstate.lock): that is what this \
        `{word}` leads from",
    StepsChanged { field: String, was: u32, version: u32 } =
        "`{field}` had gone through {was} of its conversions in the released version {version} \
        (vmstate.lock): keep each `convert` and `former_flags` as it was, oldest first",
    FlagsGone { field: String, kind: String, version: u32 } =
        "`{field}` was {kind} in the released version {version} (vmstate.lock): its bits keep their \
        names, write `flags(..)`",
    VariantGone { name: String, id: u32, owner: String, version: u32 } =
        "variant `{name}` (id {id}) of `{owner}` was released in version {version} (vmstate.lock) and \
        is gone: keep it; if it was renamed, write `#[vmstate(name = \"{name}\")]` on it",
    VariantIdChanged { variant: String, id: u32, version: u32 } =
        "`{variant}` was released with id {id} in version {version} (vmstate.lock)",
    VariantNew { variant: String, version: u32, bump: String, since: u32 } =
        "`{variant}` is not in the released version {version} (vmstate.lock): \
        {bump}`#[vmstate(since = {since})]` on it",
    ShapeChanged { name: String, version: u32, next: u32 } =
        "`{name}` no longer has the shape that was released as version {version} (vmstate.lock): a type \
        inside one of its fields, or a constant length, changed. Restore it; a change needs a new \
        version of that type and then `version = {next}` here",
    NestedNewer { owner: String, field: String, version: u32, next: u32 } =
        "`{owner}.{field}`: a type in it has a newer version than `{owner}` version {version} was \
        released with: write `version = {next}` on `{owner}`",
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::TEMPLATES;

    fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let mut files: Vec<PathBuf> = Vec::new();
        for path in entries.map(|entry| entry.expect("it is readable").path()) {
            if path.is_dir() {
                files.extend(self::files(&path, extension));
            } else if path.extension().is_some_and(|found| found == extension) {
                files.push(path);
            }
        }
        files.sort();
        files
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).expect("it is readable")
    }

    /// The messages in the expected output of each case that is still there.
    fn shown() -> Vec<String> {
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vmstate/tests/ui");
        let cases = files(&cases, "rs");
        // One that has none yet shows nothing.
        let expected = cases
            .iter()
            .map(|case| fs::read_to_string(case.with_extension("stderr")).unwrap_or_default());
        let prefixes = ["error: ", "error[E0080]: evaluation panicked: "];
        expected
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .filter_map(|line| {
                prefixes.iter().find_map(|p| line.strip_prefix(p).map(str::to_owned))
            })
            .collect()
    }

    /// Whether `message` is `template` with something in each pair of braces.
    fn is_of(message: &str, template: &str) -> bool {
        let mut pieces = template.split('{');
        let Some(mut rest) = message.strip_prefix(pieces.next().unwrap_or_default()) else {
            return false;
        };
        for piece in pieces {
            let (_hole, literal) = piece.split_once('}').expect("a brace is closed");
            // The last literal stands at the end.
            let found = match literal {
                "" => Some(rest.len()),
                literal if template.ends_with(piece) => rest.strip_suffix(literal).map(str::len),
                literal => rest.find(literal),
            };
            let Some(at) = found else { return false };
            rest = &rest[at + literal.len()..];
        }
        rest.is_empty()
    }

    #[test]
    fn every_mistake_has_a_case_that_shows_its_message() {
        let shown = shown();
        for (name, template) in TEMPLATES {
            assert!(
                shown.iter().any(|message| is_of(message, template)),
                "`{name}` of vmstate-derive/src/mistake.rs has no case in vmstate/tests/ui that shows \
                 `{template}`"
            );
        }
    }

    #[test]
    fn a_message_shows_one_mistake() {
        for message in shown() {
            let names: Vec<_> = TEMPLATES
                .iter()
                .filter(|(_, t)| is_of(&message, t))
                .map(|(name, _)| name)
                .collect();
            assert!(names.len() <= 1, "{names:?} all read like `{message}`");
        }
    }

    #[test]
    fn errors_are_made_of_mistakes_alone() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for file in files(&source, "rs") {
            if file.ends_with("errors.rs") || file.ends_with("mistake.rs") {
                continue;
            }
            for (index, line) in read(&file).lines().enumerate() {
                let made = ["Error::new", ".error(", "compile_error!", "panic!"];
                let found = made.iter().find(|call| line.contains(*call));
                let place = format!("{}:{}", file.display(), index + 1);
                assert!(
                    found.is_none(),
                    "{place}: make it a `Mistake`, so that a case must show it"
                );
            }
        }
    }
}
