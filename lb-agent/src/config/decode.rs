//! From the tree to typed values, collecting every problem on the way.

use super::node::{Entry, Node, Value};
use super::problem::{Place, Problems, Reported, quote};
use std::collections::HashMap;

/// A value, or proof that the reason for its absence was reported.
pub(super) type Read<T> = Result<T, Reported>;

/// A node, the way to it, and where to report what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) node: &'a Node<'a>,
    parent: Option<&'a Field<'a>>,
    step: Step<'a>,
    problems: &'a Problems,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

/// A value together with its field, for rules that concern more than one field.
#[derive(Clone, Copy)]
pub(super) struct At<'a, T> {
    pub(super) value: T,
    pub(super) field: Field<'a>,
}

impl<'a> Field<'a> {
    pub(super) fn root(node: &'a Node<'a>, problems: &'a Problems) -> Self {
        Self { node, parent: None, step: Step::Root, problems }
    }

    /// Says what is wrong with this value, and what would be right.
    pub(super) fn report(&self, message: impl Into<String>) -> Reported {
        self.problems.report(self.node.place, || (self.path(), message.into()))
    }

    /// Reports what a rule says against this value.
    pub(super) fn obey(&self, rule: Result<(), String>) -> Read<()> {
        rule.map_err(|message| self.report(message))
    }

    pub(super) fn wrong_type(&self, expected: &str) -> Reported {
        let found = match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::Scalar { text, .. } => quote(text),
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        };
        self.report(format!("expected {expected}, found {found}"))
    }

    /// Text, in quotes or not.
    pub(super) fn text(&self, expected: &str) -> Read<&'a str> {
        match &self.node.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => Err(self.wrong_type(expected)),
        }
    }

    /// Reads every item of a list, also those after a bad one.
    pub(super) fn list<T>(
        &self,
        expected: &str,
        mut read: impl FnMut(&Field<'_>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let Value::List(items) = &self.node.value else {
            return Err(self.wrong_type(expected));
        };
        let mut failed = None;
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let step = Step::Index(index);
            let parent = Some(self);
            match read(&Field { node, parent, step, ..*self }) {
                Ok(value) => values.push(value),
                Err(reported) => failed = Some(reported),
            }
        }
        failed.map_or(Ok(values), Err)
    }

    /// Reads a mapping. The fields that `read` asks for are those that it may have.
    pub(super) fn mapping<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&mut Mapping<'_>) -> Read<T>,
    ) -> Read<T> {
        let Value::Mapping(entries) = &self.node.value else {
            return Err(self.wrong_type(expected));
        };
        let mut mapping = Mapping { field: self, entries: HashMap::new(), known: Vec::new() };
        let duplicates = mapping.index(entries);
        let value = read(&mut mapping);
        let unknown = mapping.refuse_the_rest();
        duplicates.and(unknown).and(value)
    }

    /// Reads a mapping without any fields, which a single word stands for.
    pub(super) fn empty_mapping<T>(
        &self,
        read: impl FnOnce(&mut Mapping<'_>) -> Read<T>,
    ) -> Read<T> {
        read(&mut Mapping { field: self, entries: HashMap::new(), known: Vec::new() })
    }

    /// Path from the root, like `services[0].servers[1].weight`.
    fn path(&self) -> String {
        let above = self.parent.map(Field::path).unwrap_or_default();
        match self.step {
            Step::Root => above,
            Step::Index(index) => format!("{above}[{index}]"),
            Step::Key(key) => {
                let dot = if above.is_empty() { "" } else { "." };
                format!("{above}{dot}{}", shown(key))
            }
        }
    }

    fn child(&'a self, entry: &'a Entry<'a>) -> Field<'a> {
        Field {
            node: &entry.value,
            parent: Some(self),
            step: Step::Key(&entry.key),
            problems: self.problems,
        }
    }

    /// Reports at a place of its own about the field `key` in this mapping.
    fn report_key(&self, key: &str, place: Place, message: impl FnOnce() -> String) -> Reported {
        self.problems.report(place, || {
            let step = Step::Key(key);
            let parent = Some(self);
            let path = Field { parent, step, ..*self }.path();
            (path, message())
        })
    }
}

/// The fields of a mapping, to be asked for one by one.
pub(super) struct Mapping<'a> {
    field: &'a Field<'a>,
    /// What was not asked for yet.
    entries: HashMap<&'a str, &'a Entry<'a>>,
    /// What was asked for.
    known: Vec<&'static str>,
}

impl<'a> Mapping<'a> {
    /// Reads a field that must be there; `example` is what it could look like.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl FnOnce(&Field<'a>) -> Read<T>,
    ) -> Read<At<'a, T>> {
        match self.optional(key, read)? {
            Some(at) => Ok(at),
            None => {
                let message = || format!("missing; add it, for example {key}: {example}");
                Err(self.field.report_key(key, self.field.node.place, message))
            }
        }
    }

    /// Reads a field that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Read<T>,
    ) -> Read<Option<At<'a, T>>> {
        self.known.push(key);
        let Some(entry) = self.entries.remove(key) else {
            return Ok(None);
        };
        let field = self.field.child(entry);
        Ok(Some(At { value: read(&field)?, field }))
    }

    /// Reads a field that has a default.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl FnOnce(&Field<'a>) -> Read<T>,
    ) -> Read<T> {
        Ok(self.optional(key, read)?.map_or(default, |at| at.value))
    }

    /// Refuses a field that has no place in this mapping, with the reason.
    pub(super) fn misplaced(
        &mut self,
        key: &'static str,
        reason: impl FnOnce() -> String,
    ) -> Read<()> {
        match self.entries.remove(key) {
            Some(entry) => Err(self.field.report_key(key, entry.place, reason)),
            None => Ok(()),
        }
    }

    /// Leaves a field unread, whatever it says.
    pub(super) fn skip(&mut self, key: &'static str) {
        self.known.push(key);
        self.entries.remove(key);
    }

    /// Files the entries by name; of several with one name, the first counts.
    fn index(&mut self, entries: &'a [Entry<'a>]) -> Read<()> {
        let mut outcome = Ok(());
        for entry in entries {
            let first = *self.entries.entry(&entry.key).or_insert(entry);
            if !std::ptr::eq(first, entry) {
                let line = first.place.line;
                let message = || format!("set a second time; the first is in line {line}");
                outcome = Err(self.field.report_key(&entry.key, entry.place, message));
            }
        }
        outcome
    }

    fn refuse_the_rest(&self) -> Read<()> {
        let mut rest: Vec<_> = self.entries.values().collect();
        rest.sort_by_key(|entry| entry.place);
        let mut outcome = Ok(());
        for Entry { key, place, .. } in rest {
            outcome = Err(self.field.report_key(key, *place, || self.unknown(key)));
        }
        outcome
    }

    fn unknown(&self, key: &str) -> String {
        let accepted = self.known.join(", ");
        if let Some((known, _)) = key.split_once(':')
            && self.known.contains(&known)
        {
            return format!("unknown field; in YAML a space follows the colon: \"{known}: …\"");
        }
        let hint = did_you_mean(key, self.known.iter().copied());
        format!("unknown field{hint}; accepted are {accepted}")
    }
}

/// `, did you mean "x"?` where one of the accepted words is close to `word`, else nothing.
pub(super) fn did_you_mean<'w>(word: &str, accepted: impl Iterator<Item = &'w str>) -> String {
    const LONGEST: usize = 32;
    if word.len() > LONGEST {
        return String::new();
    }
    accepted
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= (candidate.len() / 3).min(2))
        .min()
        .map(|(_, candidate)| format!(", did you mean {candidate:?}?"))
        .unwrap_or_default()
}

/// Letters to insert, remove or replace until `a` is `b` (Levenshtein), whatever their case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

/// A key as part of a path: in quotes unless it is a plain word.
fn shown(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.len() <= 64 && key.chars().all(plain) {
        key.to_owned()
    } else {
        quote(key)
    }
}
