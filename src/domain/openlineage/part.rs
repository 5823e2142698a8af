//! The parts of a JSON text, which borrow from it what they can.
//!
//! An event is read once, and most of it is only written down again: in one spelling, by which it is known.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// A value in a JSON text.
#[derive(Debug)]
pub enum Part<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Part<'a>>),
    Object(Members<'a>),
}

/// The members of an object, by name; of two of one name, the last.
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<Member<'a>>);

/// A member of an object.
#[derive(Debug)]
pub struct Member<'a> {
    pub name: Cow<'a, str>,
    pub value: Part<'a>,
    /// Where the value is in the text that was written.
    pub written: Range<usize>,
}

impl<'a> Members<'a> {
    fn of(mut members: Vec<Member<'a>>) -> Self {
        if !members.is_sorted_by(|one, next| one.name < next.name) {
            members.sort_by(|one, other| one.name.cmp(&other.name));
            // What is removed is the second of the two: the first takes its value before.
            members.dedup_by(|second, first| {
                let is_same = second.name == first.name;
                if is_same {
                    std::mem::swap(second, first);
                }
                is_same
            });
        }
        Self(members)
    }

    /// A member that is there and not null.
    pub fn get(&self, name: &str) -> Option<&Part<'a>> {
        let found = self.0.binary_search_by(|member| (*member.name).cmp(name));
        let value = &self.0.get(found.ok()?)?.value;
        (!matches!(value, Part::Null)).then_some(value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Member<'a>> {
        self.0.iter()
    }
}

impl Part<'_> {
    /// Writes it in the one spelling, and notes where each member is.
    pub fn write(&mut self, text: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        match self {
            Self::Null => text.extend(b"null"),
            Self::Bool(value) => serde_json::to_writer(text, value)?,
            Self::Number(number) => serde_json::to_writer(text, number)?,
            Self::Text(value) => serde_json::to_writer(text, value)?,
            Self::List(items) => {
                text.push(b'[');
                for (index, item) in items.iter_mut().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    item.write(text)?;
                }
                text.push(b']');
            }
            Self::Object(members) => {
                text.push(b'{');
                for (index, member) in members.0.iter_mut().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    serde_json::to_writer(&mut *text, &member.name)?;
                    text.push(b':');
                    let start = text.len();
                    member.value.write(text)?;
                    member.written = start..text.len();
                }
                text.push(b'}');
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Part<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Part<'de>, E> {
        Ok(Part::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part<'de>, E> {
        Ok(Part::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Part<'de>, E> {
        Ok(Part::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Part<'de>, E> {
        Ok(Part::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Part<'de>, E> {
        Ok(Number::from_f64(value).map_or(Part::Null, Part::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Part<'de>, E> {
        Ok(Part::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Part<'de>, E> {
        Ok(Part::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Part<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Part::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Part<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            list.push(Member {
                name,
                value: members.next_value()?,
                written: 0..0,
            });
        }
        Ok(Part::Object(Members::of(list)))
    }
}

/// The name of a member, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Part::deserialize(deserializer)? {
            Part::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("the name of a member is no text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::Part;

    fn written(text: &str) -> String {
        let mut part: Part<'_> = serde_json::from_str(text).unwrap();
        let mut written = Vec::new();
        part.write(&mut written).unwrap();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn the_last_of_two_members_of_a_name_counts() {
        let text = r#"{"b":1,"a":2,"b":{"d":1,"c":[1e2,-0,1.50,"\u00e9\/"],"c":null},"a":{"x":1,"x":2,"x":3}}"#;
        assert_eq!(written(text), r#"{"a":{"x":3},"b":{"c":null,"d":1}}"#);
    }

    fn json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>()
                .prop_filter("a number of JSON", |number| number.is_finite())
                .prop_map(|number| format!("{number:e}")),
            ".{0,6}".prop_map(|text| Value::String(text).to_string()),
            Just(r#""\u0041\n\/\ud83d\ude00""#.to_owned()),
        ];
        scalar.prop_recursive(4, 24, 5, |inner| {
            let name = prop_oneof![Just("\"a\""), Just("\"\\u0061\""), Just("\"b\""), Just("\"\"")];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
                prop::collection::vec((name, inner), 0..5).prop_map(|members| {
                    let members: Vec<String> = members
                        .iter()
                        .map(|(name, value)| format!("{name} : {value}"))
                        .collect();
                    format!("{{{}}}", members.join(","))
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_written_as_the_library_writes_it(text in json()) {
            let value: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(written(&text), value.to_string());
        }
    }
}
