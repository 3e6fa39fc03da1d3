use lb_common::api::Problem;
use std::cell::{Cell, RefCell};

/// More problems than this are counted, not listed.
const LISTED: usize = 1000;

/// Longest piece of the file that a message repeats, in characters.
const QUOTED: usize = 60;

/// A position in the file, both numbers from 1; 0 for the file as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Place {
    /// The position that follows a text from the file's beginning.
    pub(super) fn after(text: &str) -> Self {
        let line = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = text.chars().rev().take_while(|&c| c != '\n').count() + 1;
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { line: number(line), column: number(column) }
    }
}

/// Proof that a value is missing because a problem was reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported(());

/// Collects all that is wrong with one file.
pub(super) struct Problems {
    file: String,
    listed: RefCell<Vec<Problem>>,
    omitted: Cell<usize>,
}

impl Problems {
    pub(super) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), listed: RefCell::default(), omitted: Cell::new(0) }
    }

    /// A list of one problem, which no field is to blame for.
    pub(super) fn only(file: &str, place: Place, message: impl Into<String>) -> Vec<Problem> {
        let problems = Self::new(file);
        problems.report(place, || (String::new(), message.into()));
        problems.into_vec()
    }

    /// Adds a problem; `what` makes the path of the field and the message.
    pub(super) fn report(&self, place: Place, what: impl FnOnce() -> (String, String)) -> Reported {
        let mut listed = self.listed.borrow_mut();
        if listed.len() < LISTED {
            let (field, message) = what();
            listed.push(Problem {
                file: self.file.clone(),
                line: place.line.into(),
                column: place.column.into(),
                field,
                message,
            });
        } else {
            self.omitted.set(self.omitted.get() + 1);
        }
        Reported(())
    }

    /// The problems in the file's order.
    pub(super) fn into_vec(self) -> Vec<Problem> {
        let mut listed = self.listed.into_inner();
        listed.sort_by_key(|problem| (problem.line, problem.column));
        if self.omitted.get() > 0 {
            listed.push(Problem {
                file: self.file,
                line: 0,
                column: 0,
                field: String::new(),
                message: format!("{} more problems, which are not listed", self.omitted.get()),
            });
        }
        listed
    }
}

/// Text from the file for use in a message: in quotes, escaped and cut short.
pub(super) fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}
