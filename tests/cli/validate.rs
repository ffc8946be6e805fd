//! `validate`: everything that is wrong with the files, offline.

use std::os::unix::fs::symlink;

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn all_is_well() {
    assert_snapshot!(World::with_memory(&["001_a", "002_b"]).shows("validate"), @"no problems in 2 migrations of 1 store");
}

#[test]
fn everything_is_reported_not_the_first() {
    let world = World::with_memory(&["001_a", "002_b"])
        .file("migrations/memory/002_again.up.mem", "set again 1\n")
        .file("migrations/memory/003_no_down.up.mem", "set x 1\n")
        .file("migrations/memory/004_only_down.down.mem", "delete x\n")
        .file("migrations/memory/005_empty.up.mem", "")
        .file("migrations/memory/005_empty.down.mem", "# nothing to do\n")
        .file("migrations/memory/006_bytes.up.mem", b"set a 1\nset b \xff\xfe\n")
        .file("migrations/memory/006_bytes.down.mem", "delete a\n")
        .file("migrations/memory/007_unknown.up.mem", "# stepladder: require memory/1\nset a 1\n")
        .file("migrations/memory/007_unknown.down.mem", "delete a\n")
        .file("migrations/memory/008_other.up.mem", "set a 1\n")
        .file("migrations/memory/008_names.down.mem", "delete a\n")
        .file("migrations/memory/009_needs.up.mem", "# stepladder: requires memory/77\nset a 1\n")
        .file("migrations/memory/009_needs.down.mem", "delete a\n")
        .file("migrations/memory/010_wrong.up.sql", "select 1;\n")
        .file("migrations/memory/000000000000000000000000000000000011_huge.up.mem", "set a 1\n")
        .file("migrations/memory/notes.mem", "set a 1\n")
        .file("migrations/memory/42_name..up.mem", "set a 1\n")
        .file("migrations/memory/42_name..down.mem", "delete a\n")
        .file("migrations/memory/README.md", "words\n")
        .file("migrations/memory/atlas.sum", "words\n")
        .file("migrations/memory/012_folder.up.mem/inside", "x\n")
        .file("migrations/memory/archive/001_old.up.mem", "x\n");
    assert_snapshot!(world.shows("validate"), @r#"
        migrations/memory/000000000000000000000000000000000011_huge.up.mem   has a version of 36 digits; at most 32 are possible
        migrations/memory/002_b.down.mem           note: is paired by its version with 002_again.up.mem, which has another name
        migrations/memory/002_b.up.mem             has version 2 up, as 002_again.up.mem has
          hint: give one of them another number
        migrations/memory/003_no_down.up.mem       has no down script
          hint: write 003_no_down.down.mem, or say why not: `stepladder: irreversible <reason>` in a comment at its top
        migrations/memory/004_only_down.down.mem   has no up script
          hint: write 004_only_down.up.mem, or remove the down script
        migrations/memory/005_empty.up.mem         note: is empty: it will count as done without doing anything
        migrations/memory/006_bytes.up.mem:2       is not UTF-8: byte 15 is 0xff
          hint: save it as UTF-8
        migrations/memory/007_unknown.up.mem:1     unknown directive `require`
          hint: did you mean `requires`? The directives are `no-transaction`, `irreversible`, `requires`, `timeout`, `only-env`
        migrations/memory/008_names.down.mem       note: is paired by its version with 008_other.up.mem, which has another name
        migrations/memory/009_needs.up.mem:1       requires memory/77, which does not exist
        migrations/memory/010_wrong.up.sql         has the extension .sql, which Memory does not run
          hint: Memory runs .mem, .sh and .py
        migrations/memory/012_folder.up.mem        is a folder with the name of a migration's file
        migrations/memory/archive                  note: is a folder, and folders inside a store's folder are not read
        migrations/memory/atlas.sum                note: is not a migration: expected NNN_name.up.EXT or NNN_name.down.EXT
        migrations/memory/notes.mem                is not a migration: expected NNN_name.up.EXT or NNN_name.down.EXT
        10 problems, 5 notes in 9 migrations of 1 store
        [exit 3]
        "#);
}

#[test]
fn symbolic_links_in_a_circle() {
    let world = World::with_memory(&["001_a"]);
    symlink(world.path("migrations/memory"), world.path("migrations/memory/002_loop.up.mem")).expect("a link");
    symlink("003_self.up.mem", world.path("migrations/memory/003_self.up.mem")).expect("a link");
    symlink("nowhere", world.path("migrations/memory/004_dangling.up.mem")).expect("a link");
    assert_snapshot!(world.shows("validate"), @r#"
        migrations/memory/002_loop.up.mem       is a symbolic link that leads in a circle
        migrations/memory/003_self.up.mem       cannot be read: Too many levels of symbolic links (os error 40)
        migrations/memory/004_dangling.up.mem   cannot be read: No such file or directory (os error 2)
        3 problems in 1 migration of 1 store
        [exit 3]
        "#);
}

#[test]
fn files_that_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_memory(&["001_a", "002_b"]);
    let path = world.path("migrations/memory/002_b.up.mem");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("permissions");
    if std::fs::read(&path).is_ok() {
        // Root reads everything.
        return;
    }
    assert_snapshot!(world.shows("validate"), @"");
}

#[test]
fn circles_of_requirements() {
    let world = World::with_memory(&[])
        .file("migrations/memory/001_a.up.mem", "# stepladder: requires memory/2\nset a 1\n")
        .file("migrations/memory/001_a.down.mem", "delete a\n")
        .pair("memory", "002_b");
    assert_snapshot!(world.shows("validate"), @r#"
        migrations/memory/001_a.up.mem   the `requires` directives form a circle, so no order is possible: memory/001_a needs memory/002_b needs memory/001_a
        1 problem in 2 migrations of 1 store
        [exit 3]
        "#);
}

#[test]
fn one_store_only() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/other/001_a.up.mem", "set a 1\n")
        .file("stepladder.toml", "[stores.other]\nkind = \"memory\"\nurl = \"memory:o\"\n");
    assert_eq!(world.run("validate").code, 3);
    assert_eq!(world.run("validate -s memory").code, 0);
}

#[test]
fn notes_never_fail() {
    let world = World::with_memory(&["001_a"])
        .file("migrations/memory/002_b.up.mem", "")
        .file("migrations/memory/002_b.down.mem", "");
    assert_snapshot!(world.shows("validate"), @r#"
        migrations/memory/002_b.down.mem   note: is empty: it will count as done without doing anything
        migrations/memory/002_b.up.mem     note: is empty: it will count as done without doing anything
        no problems, 2 notes in 2 migrations of 1 store
        "#);
}
