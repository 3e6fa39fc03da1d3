use anyhow::{Context, Result, bail, ensure};

/// The words of a layer or of a row's line, taken one after the other.
pub(crate) struct Fields<'a>(std::str::SplitAsciiWhitespace<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text.split_ascii_whitespace())
    }

    /// The next word, if there is one.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// The next word, which must be there.
    pub(crate) fn word(&mut self, what: &str) -> Result<&'a str> {
        self.next().with_context(|| format!("{what} is missing"))
    }

    /// `A > B`.
    pub(crate) fn pair(&mut self) -> Result<(&'a str, &'a str)> {
        let first = self.word("the source")?;
        ensure!(self.next() == Some(">"), "after {first:?} comes ` > ` and the destination");
        Ok((first, self.word("the destination")?))
    }

    /// A number, decimal or with `0x`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T> {
        number(self.word(what)?)
    }

    /// Bytes in hexadecimal.
    pub(crate) fn hex(&mut self) -> Result<Vec<u8>> {
        let text = self.word("bytes in hexadecimal")?;
        ensure!(text.len() % 2 == 0 && text.is_ascii(), "{text:?}: two digits a byte");
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16);
        Ok((0..text.len()).step_by(2).map(byte).collect::<Result<_, _>>()?)
    }

    /// Nothing may be left.
    pub(crate) fn end(mut self) -> Result<()> {
        match self.next() {
            Some(word) => bail!("{word:?} is too much"),
            None => Ok(()),
        }
    }
}

/// A number, decimal or with `0x`.
pub(crate) fn number<T: TryFrom<u64>>(text: &str) -> Result<T> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let number = parsed.with_context(|| format!("{text:?} is no number"))?;
    T::try_from(number).ok().with_context(|| format!("{text} is too large here"))
}
