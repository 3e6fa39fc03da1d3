//! YAML text as a tree of values that know their place.
//!
//! The tree keeps every scalar's text as it stands in the file, so the field that it is for decides
//! what it means: `name: 1.10` stays `1.10`.

use super::problem::{Place, quote};
use serde_yaml::granit_parser::{
    self, ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, Span,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

/// Deepest nesting, aliases included.
const MAX_DEPTH: u32 = 32;

/// Most values in a file, each use of an alias counted in full.
const MAX_NODES: u32 = 1 << 21;

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) place: Place,
    pub(super) value: Value<'t>,
    /// Values in it, itself included.
    nodes: u32,
    /// Levels of lists and mappings in it.
    depth: u32,
}

#[derive(Debug)]
pub(super) enum Value<'t> {
    /// Nothing, `null` or `~`.
    Null,
    Scalar {
        text: Cow<'t, str>,
        quoted: bool,
    },
    List(Vec<Rc<Node<'t>>>),
    Mapping(Vec<Entry<'t>>),
}

/// A field of a mapping; mappings keep the file's order and its duplicates.
#[derive(Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) place: Place,
    pub(super) value: Rc<Node<'t>>,
}

/// Why there is no tree.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) place: Place,
    pub(super) message: String,
}

/// Reads the only document of a text. `None` if there is nothing but white space and comments.
pub(super) fn read(text: &str) -> Result<Option<Rc<Node<'_>>>, Unreadable> {
    refuse_control_characters(text)?;
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH as usize,
        block_nesting_limit: MAX_DEPTH as usize,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| syntax_error(text, &error))?;
        builder.take(event, &span)?;
    }
    Ok(builder.root)
}

#[derive(Default)]
struct Builder<'t> {
    /// The lists and mappings that are open, outermost first.
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Rc<Node<'t>>>,
    root: Option<Rc<Node<'t>>>,
    documents: u32,
    nodes: u32,
}

struct Open<'t> {
    place: Place,
    anchor: usize,
    items: Items<'t>,
}

enum Items<'t> {
    List(Vec<Rc<Node<'t>>>),
    Mapping { entries: Vec<Entry<'t>>, key: Option<(Cow<'t, str>, Place)> },
}

impl<'t> Builder<'t> {
    fn take(&mut self, event: Event<'t>, span: &Span) -> Result<(), Unreadable> {
        let place = place(&span.start);
        if let Some(tag) = event.tag() {
            let place = span.tag_start().map_or(place, |start| self::place(&start));
            let tag = quote(&tag.original());
            return unreadable(place, format!("the tag {tag} means nothing here; remove it"));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document starts here, but a configuration is one; \
                                   remove this \"---\" and put all fields into one document";
                    return unreadable(place, message);
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != ScalarStyle::Plain;
                let null = !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                // A value left out stands nowhere: its key shows where it belongs.
                let place = match self.key_place() {
                    Some(key) if null && span.start == span.end => key,
                    _ => place,
                };
                let value = if null { Value::Null } else { Value::Scalar { text, quoted } };
                self.complete(place, anchor, value)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { place, anchor, items: Items::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                let items = Items::Mapping { entries: Vec::new(), key: None };
                self.open.push(Open { place, anchor, items });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { place, anchor, items }) = self.open.pop() {
                    let value = match items {
                        Items::List(items) => Value::List(items),
                        Items::Mapping { entries, .. } => Value::Mapping(entries),
                    };
                    self.complete(place, anchor, value)?;
                }
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.count(place, node.nodes)?;
                    self.attach(place, node)?;
                }
                None => return unreadable(place, "an alias cannot stand for what it is part of"),
            },
            _ => {}
        }
        Ok(())
    }

    fn key_place(&self) -> Option<Place> {
        match self.open.last()?.items {
            Items::Mapping { key: Some((_, place)), .. } => Some(place),
            _ => None,
        }
    }

    fn complete(
        &mut self,
        place: Place,
        anchor: usize,
        value: Value<'t>,
    ) -> Result<(), Unreadable> {
        let (nodes, depth) = match &value {
            Value::Null | Value::Scalar { .. } => (1, 0),
            Value::List(items) => measure(items.iter()),
            Value::Mapping(entries) => measure(entries.iter().map(|entry| &entry.value)),
        };
        let node = Rc::new(Node { place, value, nodes, depth });
        // The parser numbers anchors from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.count(place, 1)?;
        self.attach(place, node)
    }

    fn count(&mut self, place: Place, nodes: u32) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let message = format!(
                "the file holds more than {MAX_NODES} values, counting what aliases stand for; \
                 write a smaller one"
            );
            return unreadable(place, message);
        }
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn attach(&mut self, place: Place, node: Rc<Node<'t>>) -> Result<(), Unreadable> {
        if self.open.len() as u32 + node.depth > MAX_DEPTH {
            return unreadable(place, too_deep());
        }
        match self.open.last_mut().map(|open| &mut open.items) {
            None => self.root = Some(node),
            Some(Items::List(items)) => items.push(node),
            Some(Items::Mapping { entries, key }) => match key.take() {
                Some((key, place)) => entries.push(Entry { key, place, value: node }),
                None => match &node.value {
                    Value::Scalar { text, .. } => *key = Some((text.clone(), place)),
                    Value::Null => *key = Some((Cow::Borrowed(""), place)),
                    _ => return unreadable(place, "the name of a field must be a plain word"),
                },
            },
        }
        Ok(())
    }
}

/// Values and levels of a list or mapping of `items`.
fn measure<'n, 't: 'n>(items: impl Iterator<Item = &'n Rc<Node<'t>>>) -> (u32, u32) {
    items.fold((1, 1), |(nodes, depth), item| (nodes + item.nodes, depth.max(item.depth + 1)))
}

fn place(marker: &Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(marker.line()), column: number(marker.col()).saturating_add(1) }
}

fn unreadable<T>(place: Place, message: impl Into<String>) -> Result<T, Unreadable> {
    Err(Unreadable { place, message: message.into() })
}

fn too_deep() -> String {
    format!("nested deeper than {MAX_DEPTH} levels; a configuration needs far fewer")
}

/// Control characters have no business in a configuration, and a terminal that shows them may obey.
fn refuse_control_characters(text: &str) -> Result<(), Unreadable> {
    let allowed = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    match text.char_indices().find(|&(_, c)| !allowed(c)) {
        None => Ok(()),
        Some((at, c)) => {
            let message =
                format!("the control character U+{:04X} is not allowed; remove it", u32::from(c));
            unreadable(Place::after(&text[..at]), message)
        }
    }
}

fn syntax_error(text: &str, error: &ScanError) -> Unreadable {
    let message = match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(),
        ErrorKind::UnknownAnchor => "this alias has no anchor (&name) before it".to_owned(),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            "a tab is not allowed here; YAML is indented with spaces".to_owned()
        }
        _ if is_unquoted_ipv6(text, error.marker()) => {
            "an IPv6 address with a port must be in quotes, like \"[2001:db8::99]:80\"".to_owned()
        }
        kind => format!("this is not YAML: {kind}"),
    };
    Unreadable { place: place(error.marker()), message }
}

/// Whether YAML took `[2001:db8::99]:80` for a list and stumbled over what follows it.
fn is_unquoted_ipv6(text: &str, marker: &Marker) -> bool {
    let Some((before, after)) = marker.byte_offset().and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    before.ends_with(']') && after.starts_with(':')
}
