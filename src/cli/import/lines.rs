//! The lines of a file.

use std::io::{self, BufRead, Read};

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// In the buffer.
    Whole,
    /// Longer than is read.
    TooLong,
}

/// Reads the next line into a buffer; one that is too long is read to its end and thrown away.
pub fn next_line(source: &mut impl BufRead, longest: usize, bytes: &mut Vec<u8>) -> io::Result<Option<Line>> {
    bytes.clear();
    let most = u64::try_from(longest).unwrap_or(u64::MAX) + 1;
    if source.by_ref().take(most).read_until(b'\n', bytes)? == 0 {
        return Ok(None);
    }
    if bytes.len() <= longest || bytes.ends_with(b"\n") {
        return Ok(Some(Line::Whole));
    }
    // Once is enough to have held so much.
    *bytes = Vec::new();
    source.skip_until(b'\n')?;
    Ok(Some(Line::TooLong))
}

#[cfg(test)]
mod tests {
    use super::{Line, next_line};

    #[test]
    fn a_long_line_is_one_line() {
        let mut source = &b"12345\n123456\n1234\r\n\n12345"[..];
        let (mut lines, mut bytes) = (Vec::new(), Vec::new());
        while let Some(line) = next_line(&mut source, 5, &mut bytes).unwrap() {
            lines.push((line, String::from_utf8(bytes.clone()).unwrap()));
        }
        let whole = |text: &str| (Line::Whole, text.to_owned());
        let too_long = (Line::TooLong, String::new());
        assert_eq!(
            lines,
            [
                whole("12345\n"),
                too_long,
                whole("1234\r\n"),
                whole("\n"),
                whole("12345")
            ]
        );
    }
}
