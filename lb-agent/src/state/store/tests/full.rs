//! Disks that take nothing.

use super::*;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::thread;

/// Runs a test on a disk of 64 KiB that only its thread sees, and that goes away with it.
fn on_a_small_disk(test: impl FnOnce(&Path) + Send) {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing = None::<&str>;
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing).unwrap();
        let size = Some("size=64k");
        mount(Some("tmpfs"), folder.path(), Some("tmpfs"), MsFlags::empty(), size).unwrap();
        test(folder.path());
    };
    thread::scope(|scope| {
        // A panic there is one here.
        scope.spawn(on_disk);
    });
}

#[test]
fn a_full_disk() {
    on_a_small_disk(|folder| {
        let path = folder.join("state.json");
        let mut store = open(&path);
        drain(&mut store, "a").unwrap();
        let before = fs::read(&path).unwrap();
        let filler = folder.join("filler");
        let full = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);

        let error = drain(&mut store, "b").unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("No space left"), "{error}");
        assert_eq!(drained(&store), 1);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(names(folder), ["filler", "state.json"], "the part that was written is gone");

        fs::remove_file(&filler).unwrap();
        drain(&mut store, "b").unwrap();
        assert_eq!(drained(&open(&path)), 2);
    });
}

#[test]
fn a_disk_for_reading_only() {
    on_a_small_disk(|folder| {
        let path = folder.join("state.json");
        let mut store = open(&path);
        drain(&mut store, "a").unwrap();
        let nothing = None::<&str>;
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(nothing, folder, nothing, read_only, nothing).unwrap();

        let error = drain(&mut store, "b").unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("Read-only"), "{error}");
        assert_eq!(drained(&store), 1);
        assert_eq!(drained(&open(&path)), 1);
    });
}
