//! Texts that mean harm, and texts that are merely large.

use super::read;
use lb_agent::config::to_yaml;
use proptest::prelude::*;
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Generous, for a build without optimisation on a busy machine; what these texts attack with
/// would take far longer.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_bomb_of_aliases() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "b{level}: &a{level} [{uses}]").unwrap();
    }
    refused_soon(&text, "counting what aliases stand for");
}

#[test]
fn a_chain_of_aliases() {
    let mut text = "interfaces:\n- &a0 [x]\n".to_owned();
    for level in 1..1000 {
        writeln!(text, "- &a{level} [*a{}]", level - 1).unwrap();
    }
    refused_soon(&text, "nested deeper than 32 levels");
}

#[test]
fn deep_nesting() {
    for text in ["[".repeat(1 << 20), "{a: ".repeat(1 << 18), "- ".repeat(1 << 19)] {
        refused_soon(&text, "nested deeper than 32 levels");
    }
    let indented = (0..5000).map(|level| format!("{}a:\n", " ".repeat(level))).collect::<String>();
    refused_soon(&indented, "nested deeper than 32 levels");
}

#[test]
fn too_many_values() {
    refused_soon(&format!("interfaces: [{}]", "a,".repeat(3 << 20)), "more than 2097152 values");
}

#[test]
fn a_thousand_problems_and_more() {
    let mut text = "interfaces: [eth0]\nservices: []\n".to_owned();
    for field in 0..5000 {
        writeln!(text, "f{field}: 1").unwrap();
    }
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.len(), 1001);
    assert!(problems[1000].message.starts_with("4000 more problems"), "{}", problems[1000]);
}

#[test]
fn long_words_and_lines() {
    let long = "x".repeat(1 << 20);
    for text in [
        format!("interfaces: [{long}]\nservices: []\n"),
        format!("interfaces: [eth0]\nservices: []\n\"{}\": 1\n", &long[..1000]),
        format!("interfaces: [eth0]\nservices: []\nlimits: {{ flows: {} }}\n", "9".repeat(1 << 20)),
        format!("&{long} a: *{long}"),
        format!("a: \"{long}"),
        " ".repeat(1 << 20) + "\t",
        "\n".repeat(1 << 20) + "- ]",
        "#\n".repeat(1 << 19),
        "---\n".repeat(1 << 18),
        "? ".repeat(1 << 19),
        "a: b: ".repeat(1 << 18),
        "&a ".repeat(1 << 19),
        "!a ".repeat(1 << 19),
        "%a b\n".repeat(1 << 18),
    ] {
        let start = Instant::now();
        let problems = read(&text).unwrap_err();
        assert!(start.elapsed() < SOON, "{:?} took {:?}", &text[..20], start.elapsed());
        for problem in problems {
            assert!(problem.to_string().len() < 500, "{problem}");
        }
    }
}

#[test]
fn ten_thousand_services_with_a_hundred_thousand_servers() {
    let mut text =
        "interfaces: [eth0]\nlimits: { services: 10000, servers: 100000 }\nservices:\n".to_owned();
    for service in 0..10_000 {
        let (high, low) = (service / 256, service % 256);
        writeln!(
            text,
            "- name: service-{service}\n  address: 10.0.{high}.{low}:80\n  mode: dr\n  servers:"
        )
        .unwrap();
        for server in 1..=10 {
            let address = format!("10.{server}.{high}.{low}:80");
            writeln!(text, "  - {{ name: s{server}, address: {address}, weight: 3 }}").unwrap();
        }
    }
    let start = Instant::now();
    let config = read(&text).unwrap();
    println!("{} bytes in {:?}", text.len(), start.elapsed());
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    let start = Instant::now();
    let written = to_yaml(&config);
    println!("{} bytes written in {:?}", written.len(), start.elapsed());
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    assert_eq!(read(&written).as_ref(), Ok(&config));
    assert_eq!(config.services.len(), 10_000);
    assert!(config.services.iter().all(|service| service.servers.len() == 10));
}

fn refused_soon(text: &str, gist: &str) {
    let start = Instant::now();
    let problems = read(text).unwrap_err();
    assert!(start.elapsed() < SOON, "took {:?}", start.elapsed());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains(gist), "{}", problems[0]);
    assert!(problems[0].line > 0);
}

/// A text that is right, to be damaged.
const GOOD: &str = r#"
interfaces: [eth0]
limits: { services: 40, flows: 4096 }
control: { group: root }
autoreload: yes
services:
  - &web
    name: web
    address: 192.168.0.99:80
    mode: dr
    scheduler: mh
    scheduler_flags: [mh-port]
    table_size: 65537
    timeouts: { syn: 60s, established: 15m }
    persist: 300s
    persist_netmask: 255.255.255.0
    slow_start: 500ms
    fallback: 127.0.0.1:80
    check: { type: http, path: /a, expect: [200-299, 401], body: '^ok', interval: 1s, port: 8080 }
    servers: &servers
      - { name: webA, address: 192.168.0.102:80, weight: 1, backup: true, check: off }
      - { name: webB, address: 192.168.0.103:80, check: { type: udp, send: 'a\x00', expect: b } }
  - name: web6
    address: "[2001:db8::99]:80"
    protocol: udp
    mode: tunnel
    servers: [{ name: a, address: "[2001:db8::1]:80", weight: 1000 }]
  - { name: again, address: 192.168.0.98:80, mode: nat, servers: *servers }
"#;

#[derive(Clone, Debug)]
enum Damage {
    Remove(usize, usize),
    Insert(usize, String),
    Copy(usize, usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let pieces = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "\n",
        "  ",
        "\t",
        "\"",
        "'",
        "#",
        "&a ",
        "*a",
        "!x ",
        "|",
        ">",
        "---\n",
        "?",
        "%",
        "@",
        "\0",
        "é",
        "\u{feff}",
        "0",
        "-1",
        "99999999999",
        "~",
        "<<: ",
        ",",
        "..",
        "web",
        "name: ",
        "[::]:0",
        "check: ",
        "off",
        "(a",
        "\\x",
        "9s",
    ]);
    prop_oneof![
        (0..1500usize, 1..40usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (0..1500usize, pieces).prop_map(|(at, piece)| Damage::Insert(at, piece.to_owned())),
        (0..1500usize, "\\PC{1,3}").prop_map(|(at, text)| Damage::Insert(at, text)),
        (0..1500usize, 0..1500usize, 1..80usize).prop_map(|(to, at, n)| Damage::Copy(to, at, n)),
    ]
}

fn damaged(damages: &[Damage]) -> String {
    let mut text: Vec<char> = GOOD.chars().collect();
    for damage in damages {
        let within = |at: usize| at % (text.len() + 1);
        match damage {
            Damage::Remove(at, len) => {
                let at = within(*at);
                let end = (at + len).min(text.len());
                text.drain(at..end);
            }
            Damage::Insert(at, piece) => {
                let at = within(*at);
                text.splice(at..at, piece.chars());
            }
            Damage::Copy(to, at, len) => {
                let (to, at) = (within(*to), within(*at));
                let copy: Vec<char> = text.iter().skip(at).take(*len).copied().collect();
                text.splice(to..to, copy);
            }
        }
    }
    text.into_iter().collect()
}

/// Whatever the text, there is a configuration, or problems that name a place in the text.
fn reads_or_explains(text: &str) -> Result<bool, TestCaseError> {
    let lines = text.lines().count() as u64 + 1;
    match read(text) {
        Ok(config) => {
            prop_assert_eq!(read(&to_yaml(&config)), Ok(config));
            Ok(true)
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.line <= lines, "{problem} in {text:?}");
                prop_assert_eq!(problem.line == 0, problem.column == 0);
                prop_assert!(!problem.message.is_empty());
                prop_assert!(!problem.to_string().chars().any(char::is_control), "{problem:?}");
            }
            Ok(false)
        }
    }
}

#[test]
fn the_text_to_be_damaged_is_good() {
    assert_eq!(read(GOOD).map(|config| config.services.len()), Ok(3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn damaged_texts(damages in prop::collection::vec(damage(), 1..8)) {
        reads_or_explains(&damaged(&damages))?;
    }

    #[test]
    fn any_text(text in any::<String>()) {
        reads_or_explains(&text)?;
    }

    #[test]
    fn any_characters_of_yaml(text in "[\\[\\]{}:,&*!|>'\"%@#?a0~ \n\t-]{0,200}") {
        reads_or_explains(&text)?;
    }

    #[test]
    fn any_text_as_a_value(value in any::<String>(), quoted in any::<bool>()) {
        let value = if quoted { format!("{value:?}") } else { value };
        for field in ["name", "address", "mode", "table_size", "persist_netmask", "check"] {
            reads_or_explains(&format!("interfaces: [eth0]\nservices: [{{ {field}: {value} }}]"))?;
        }
        for (kind, field) in [("http", "path"), ("http", "body"), ("udp", "send"), ("dns", "name")] {
            let check = format!("{{ type: {kind}, {field}: {value} }}");
            reads_or_explains(&format!("interfaces: [eth0]\nservices: [{{ check: {check} }}]"))?;
        }
    }
}
