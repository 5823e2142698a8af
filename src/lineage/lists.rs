//! Many short lists that only grow, in one piece of memory.

/// A list for each number from 0 on.
///
/// All items lie in one vector. A list that is full moves to the end with twice its room, so that appending costs a
/// constant on average, and memory is wasted only in proportion to what was appended after the first filling.
#[derive(Clone, Debug)]
pub(super) struct Lists<T> {
    spans: Vec<Span>,
    items: Vec<T>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    length: u32,
    room: u32,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            items: Vec::new(),
        }
    }
}

impl<T: Copy + Default> Lists<T> {
    /// Empty lists with room for what is to come.
    pub fn with_room(lengths: &[u32]) -> Self {
        let mut total = 0;
        let mut spans = Vec::with_capacity(lengths.len());
        for &room in lengths {
            spans.push(Span {
                start: total,
                length: 0,
                room,
            });
            total += room as usize;
        }
        Self {
            spans,
            items: vec![T::default(); total],
        }
    }

    /// The items of a list; none where nothing was ever appended.
    pub fn of(&self, number: u32) -> &[T] {
        let Some(span) = self.spans.get(number as usize) else {
            return &[];
        };
        &self.items[span.start..span.start + span.length as usize]
    }

    /// The same, to change them.
    pub fn of_mut(&mut self, number: u32) -> &mut [T] {
        let Some(span) = self.spans.get(number as usize) else {
            return &mut [];
        };
        &mut self.items[span.start..span.start + span.length as usize]
    }

    /// Appends to a list.
    pub fn push(&mut self, number: u32, item: T) {
        let number = number as usize;
        if number >= self.spans.len() {
            self.spans.resize(number + 1, Span::default());
        }
        let span = &mut self.spans[number];
        if span.length == span.room {
            let end = self.items.len();
            span.room = (span.room * 2).max(2);
            self.items.resize(end + span.room as usize, T::default());
            self.items
                .copy_within(span.start..span.start + span.length as usize, end);
            span.start = end;
        }
        self.items[span.start + span.length as usize] = item;
        span.length += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::Lists;

    proptest! {
        #[test]
        fn lists_hold_what_was_appended(
            room in proptest::collection::vec(0..4_u32, 0..6),
            items in proptest::collection::vec((0..8_u32, 0..100_u16), 0..200),
        ) {
            let mut lists = Lists::with_room(&room);
            let mut plain = vec![Vec::new(); 8];
            for (number, item) in items {
                lists.push(number, item);
                plain[number as usize].push(item);
            }
            for (number, expected) in (0..).zip(&plain) {
                prop_assert_eq!(lists.of(number), &expected[..]);
            }
        }
    }
}
