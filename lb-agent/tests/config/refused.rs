use super::read;
use lb_common::api::Problem;

/// The cases, in the form that its first lines explain.
const CASES: &str = include_str!("refused.txt");

struct Case<'a> {
    name: &'a str,
    text: String,
    problems: Vec<Expected<'a>>,
}

#[derive(Debug)]
struct Expected<'a> {
    place: (u64, u64),
    field: &'a str,
    gist: &'a str,
}

#[test]
fn each_at_its_place_and_in_words() {
    let cases = cases();
    assert!(cases.len() > 60, "only {} cases were found", cases.len());
    let failed: Vec<String> = cases.iter().filter_map(Case::failure).collect();
    assert!(failed.is_empty(), "{} cases failed:\n\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn as_printed() {
    let first = |text| read(text).unwrap_err()[0].to_string();
    assert_eq!(
        first("interfaces: [eth0]\nservices:\n  - mode: gate\n    weight: 1\n"),
        "lb.yaml:3:5: services[0].name: missing; add it, for example name: web"
    );
    assert_eq!(first(""), "lb.yaml: empty; expected a configuration with interfaces and services");
}

impl Case<'_> {
    fn failure(&self) -> Option<String> {
        let found = read(&self.text).err().unwrap_or_default();
        let as_expected = found.len() == self.problems.len()
            && self.problems.iter().zip(&found).all(|(expected, found)| expected.is(found));
        (!as_expected).then(|| {
            let expected: String = self.problems.iter().map(|p| format!("  {p:?}\n")).collect();
            let found: String = found.iter().map(|problem| format!("  {problem}\n")).collect();
            format!("{}: expected\n{expected}but found\n{found}", self.name)
        })
    }
}

impl Expected<'_> {
    fn is(&self, found: &Problem) -> bool {
        found.file == "lb.yaml"
            && (found.line, found.column) == self.place
            && found.field == self.field
            && found.message.contains(self.gist)
    }
}

fn cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for case in CASES.split("\n== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap_or((case, ""));
        let (text, problems) = rest.split_at(rest.find("=> ").expect("a problem is expected"));
        let (text, places) = without_marks(text);
        let problems = problems.lines().filter_map(|line| line.strip_prefix("=> "));
        let problems = problems.enumerate().map(|(index, problem)| {
            let (field, gist) = problem.split_once(": ").expect("a field and a message");
            let place = places.get(index).or(places.last()).copied().unwrap_or_default();
            Expected { place, field, gist }
        });
        cases.push(Case { name, text, problems: problems.collect() });
    }
    cases
}

/// The text without its marks, and where they were.
fn without_marks(text: &str) -> (String, Vec<(u64, u64)>) {
    let mut places = Vec::new();
    let mut clean = String::new();
    let (mut line, mut column) = (1, 1);
    for c in text.chars() {
        if c == '»' {
            places.push((line, column));
            continue;
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
        clean.push(match c {
            '␀' => '\0',
            '␛' => '\x1b',
            '⇥' => '\t',
            c => c,
        });
    }
    (clean, places)
}
