//! The tables of packets in `tests/rows`, each through the loaded program and the host build.

use lb_tests::rows::{Bench, Failure, load_all, parse_rows};

/// One test for each table.
macro_rules! tables {
    ($( $name:ident )+) => {
        $(
            #[test]
            fn $name() {
                run(concat!(stringify!($name), ".rows"));
            }
        )+

        #[test]
        fn every_table_has_a_test() {
            let tested = [$( concat!(stringify!($name), ".rows") ),+];
            let tables = load_all().unwrap();
            let names: Vec<_> = tables.iter().map(|(file, _)| file.as_str()).collect();
            assert_eq!(names, tested);
        }
    };
}

tables! { answers dr flows fragments icmp leaving limits loads nat parse persist reply schedulers tunnel unrelated vlan }

fn run(file: &str) {
    let tables = load_all().unwrap();
    let (_, rows) = tables.iter().find(|(name, _)| name == file).unwrap();
    assert!(!rows.is_empty());
    let failures = Bench::new().unwrap().run(rows);
    assert!(failures.is_empty(), "{} failed\n\n{}", failures.len(), show(&failures));
}

/// A bench that finds nothing would let every row pass.
#[test]
fn what_a_row_gets_wrong_is_found() {
    let right = [
        "in eth router > lb / ip4 client > web / tcp 40000 > 80 S",
        "is to-server redirect",
        "out eth lb > n1 / ip4 client > n1 ttl 63 / tcp 40000 > 8080 S",
        "then half-open client:40000 > web:80 tcp at n1 syn",
        "then half-open n1:8080 > client:40000 tcp as web:80 at n1 syn",
        "count n1 new 1 in 1/40 out 0/0",
    ];
    let wrong = [
        (0, "in eth router > lb / ip4 client > shop / tcp 40000 > 80 S", "half-open"),
        (1, "is to-server tx", "to-server (Tx)"),
        (1, "is to-client redirect", "to-client"),
        (2, "out eth lb > n1 / ip4 client > n1 ttl 64 / tcp 40000 > 8080 S", "ttl 63"),
        (2, "out eth lb > n1 / ip4 client > n1 ttl 63 / tcp 40000 > 8080 S sum off 1", "packet"),
        (3, "then half-open client:40000 > web:80 tcp at n1 syn age 1", "age 1"),
        (4, "then established n1:8080 > client:40000 tcp as web:80 at n1 syn", "established"),
        (5, "count n1 new 1 in 1/41 out 0/0", "in 1/40"),
    ];
    let mut bench = Bench::new().unwrap();
    let mut failures = |lines: &[&str]| {
        let text = format!("row an example\n{}", lines.join("\n"));
        bench.run(&parse_rows("example", &text).unwrap())
    };
    let found = failures(&right);
    assert!(found.is_empty(), "{}", show(&found));
    for (at, line, complaint) in wrong {
        let mut lines = right;
        lines[at] = line;
        let found = failures(&lines);
        assert_eq!(found.len(), 1, "{line}");
        assert!(show(&found).contains(complaint), "{line}:\n{}", show(&found));
    }
}

#[test]
fn rows_that_make_no_sense_are_refused() {
    let cases = [
        ("in eth a > b", "begins with `row`"),
        ("row x", "no packet"),
        ("row x\nin eth a > b", "`in`, then `is`"),
        ("row x\nin eth a > b\nis nothing-known", "no reason"),
        ("row x\nin eth a > b\nis to-server", "tx or redirect?"),
        ("row x\nin eth a > b\nis to-server tx", "`out` exactly where"),
        ("row x\nin eth a > b\nis not-ip\nout eth a > b", "`out` exactly where"),
        ("row x\nperhaps", "alone"),
        ("row x\nout eth a > b", "`out` follows"),
    ];
    for (text, complaint) in cases {
        let error = format!("{:#}", parse_rows("example", text).unwrap_err());
        assert!(error.contains(complaint), "{text}: {error}");
    }
}

fn show(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}
