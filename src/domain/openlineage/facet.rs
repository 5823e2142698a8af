//! Facets, as texts that are shared: an event's facets go from its story into what that means, and most of them are never looked
//! into on the way.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::domain::json::{self, without_nul};

/// Facets by name.
pub type Facets = BTreeMap<String, Facet>;

/// One facet. Two of the same content have the same text: members are in order, and texts and numbers in one spelling.
#[derive(Clone, Debug)]
pub struct Facet(Arc<RawValue>);

impl Facet {
    /// A facet of a text that is already in the one spelling.
    pub(super) fn written(text: &str) -> Result<Self, serde_json::Error> {
        Ok(Self(Arc::from(RawValue::from_string(text.to_owned())?)))
    }

    /// Its JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Its JSON, taken apart.
    pub fn value(&self) -> Value {
        json::read(self.as_str()).unwrap_or_default()
    }

    /// Its JSON, taken apart, where it may have a member of this name.
    pub fn value_with(&self, member: &str) -> Option<Value> {
        self.as_str().contains(member).then(|| self.value())
    }

    /// Whether it says that a facet is no more.
    pub fn is_deleted(&self) -> bool {
        let value = self.value_with("_deleted");
        value.is_some_and(|value| value.get("_deleted") == Some(&Value::Bool(true)))
    }

    /// A text in it.
    pub(super) fn text(&self, member: &str) -> Option<String> {
        text(&self.value_with(member)?, member)
    }

    /// Whether two say the same, whoever produced them by whichever version of the specification.
    pub fn says_as(&self, other: &Self) -> bool {
        let content = |facet: &Self| match facet.value() {
            Value::Object(members) => {
                let said = members.into_iter().filter(|(name, _)| !name.starts_with('_'));
                Value::Object(said.collect())
            }
            value => value,
        };
        self == other || content(self) == content(other)
    }

    /// Without U+0000, for which U+FFFD stands.
    fn clean(&self) -> Self {
        if !has_nul(self.as_str()) {
            return self.clone();
        }
        let mut value = self.value();
        without_nul(&mut value);
        Self::written(&value.to_string()).unwrap_or_else(|_| self.clone())
    }
}

/// A text in a facet, if it has one.
pub(super) fn text(value: &Value, member: &str) -> Option<String> {
    let text = value.get(member)?.as_str()?;
    Some(text.replace('\0', "\u{fffd}")).filter(|text| !text.is_empty())
}

/// Whether a JSON text may have the character; it may also have a backslash and these digits.
fn has_nul(text: &str) -> bool {
    text.contains("\\u0000")
}

/// Facets without U+0000.
pub(super) fn clean(facets: Facets) -> Facets {
    let has_nul = |(name, facet): (&String, &Facet)| name.contains('\0') || has_nul(facet.as_str());
    if !facets.iter().any(has_nul) {
        return facets;
    }
    facets
        .into_iter()
        .map(|(name, facet)| (name.replace('\0', "\u{fffd}"), facet.clean()))
        .collect()
}

/// Facets as one JSON object.
pub fn to_json(facets: &Facets) -> String {
    object(
        facets
            .iter()
            .map(|(name, facet)| (name.as_str(), Cow::Borrowed(facet.as_str()))),
    )
}

/// A JSON object of members that are JSON, in their order.
pub(super) fn object<'a>(members: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> String {
    let mut text = String::from("{");
    for (name, member) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&quoted(name));
        text.push(':');
        text.push_str(&member);
    }
    text.push('}');
    text
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

impl PartialEq for Facet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for Facet {}

impl PartialOrd for Facet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Facet {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Serialize for Facet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What is stored is in the one spelling.
impl<'de> Deserialize<'de> for Facet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Arc::from(Box::<RawValue>::deserialize(deserializer)?)))
    }
}
