//! The tables of packets in `tests/rows`, each through the loaded program and the host build.

use lb_tests::rows::Bench;
use std::path::Path;

/// One test for each file.
macro_rules! tables {
    ($( $name:ident )+) => {
        $(
            #[test]
            fn $name() {
                run(concat!(stringify!($name), ".rows"));
            }
        )+

        /// A file without a test would be a table that nobody reads.
        #[test]
        fn every_file_has_a_test() {
            let mut tested = vec![$( concat!(stringify!($name), ".rows") ),+];
            tested.sort_unstable();
            let files = std::fs::read_dir(folder()).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let mut tables: Vec<_> = names.filter(|name| name.ends_with(".rows")).collect();
            tables.sort_unstable();
            assert_eq!(tables, tested);
        }
    };
}

tables! { answers dr flows fragments icmp nat parse reply schedulers tunnel unrelated vlan }

fn run(file: &str) {
    let mut bench = Bench::new(Path::new(env!("LB_EBPF_OBJECT")), folder()).unwrap();
    let failures = bench.run_file(file).unwrap();
    let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(texts.is_empty(), "{} failed\n\n{}", texts.len(), texts.join("\n\n"));
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rows"))
}
