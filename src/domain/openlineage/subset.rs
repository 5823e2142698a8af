//! Which partitions a condition of a subset facet names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::key::{PARTITION_KEYS, SHORT_NAME, check_name, check_partition_key};

/// The values of one partition, by key.
pub type PartitionValues = BTreeMap<String, String>;

/// The most partitions that are told apart; a condition that names more is about the dataset as a whole.
const PARTITIONS: usize = 10_000;

/// What a condition comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// These partitions; none where it does not name partitions.
    Partitions(BTreeSet<PartitionValues>),
    /// More than are told apart.
    TooMany,
}

/// The partitions that a `subset` facet names by its condition: those that it lists, and those that comparisons for equality,
/// joined by AND and OR, amount to. None where it does not name partitions: for locations, ranges, two fields compared, or
/// keys and values that no partition can have.
pub fn partitions(facet: &Value) -> Named {
    let condition = facet.get("inputCondition").or_else(|| facet.get("outputCondition"));
    match condition.and_then(of_condition) {
        Some(Named::TooMany) => Named::TooMany,
        Some(Named::Partitions(named)) if named.iter().all(is_partition) => Named::Partitions(named),
        _ => Named::Partitions(BTreeSet::new()),
    }
}

fn is_partition(values: &PartitionValues) -> bool {
    let fits = |(key, value): (&String, &String)| {
        check_partition_key("key", key).is_ok() && check_name("value", value, SHORT_NAME).is_ok()
    };
    !values.is_empty() && values.len() <= PARTITION_KEYS && values.iter().all(fits)
}

fn of_condition(condition: &Value) -> Option<Named> {
    let named = match condition.get("type")?.as_str()? {
        "partition" => listed(condition)?,
        "compare" => BTreeSet::from([equality(condition)?]),
        "binary" => {
            let left = of_condition(condition.get("left")?)?;
            let right = of_condition(condition.get("right")?)?;
            let (Named::Partitions(left), Named::Partitions(right)) = (left, right) else {
                return Some(Named::TooMany);
            };
            match condition.get("operator")?.as_str()?.to_ascii_uppercase().as_str() {
                "OR" => left.into_iter().chain(right).collect(),
                "AND" if left.len() * right.len() > PARTITIONS => return Some(Named::TooMany),
                "AND" => both(&left, &right),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(if named.len() > PARTITIONS {
        Named::TooMany
    } else {
        Named::Partitions(named)
    })
}

fn listed(condition: &Value) -> Option<BTreeSet<PartitionValues>> {
    let partitions = condition.get("partitions")?.as_array()?.iter();
    partitions
        .map(|partition| {
            let dimensions = partition.get("dimensions")?.as_object()?.iter();
            dimensions
                .map(|(key, value)| Some((key.clone(), text(value)?)))
                .collect()
        })
        .collect()
}

/// A value as a text: numbers and truths as they are written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// `field = literal`, either way round.
fn equality(condition: &Value) -> Option<PartitionValues> {
    if !condition.get("comparison")?.as_str()?.eq_ignore_ascii_case("EQUAL") {
        return None;
    }
    let (left, right) = (condition.get("left")?, condition.get("right")?);
    let (field, literal) = match left.get("type")?.as_str()? {
        "field" => (left, right),
        _ => (right, left),
    };
    let field = field.get("field")?.as_str()?.to_owned();
    Some(BTreeMap::from([(field, text(literal.get("value")?)?)]))
}

/// What is in one of the left and in one of the right: nothing, where they want different values of one key.
fn both(left: &BTreeSet<PartitionValues>, right: &BTreeSet<PartitionValues>) -> BTreeSet<PartitionValues> {
    let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
    let agree = |(l, r): &(&PartitionValues, &PartitionValues)| l.iter().all(|(k, v)| r.get(k).is_none_or(|w| w == v));
    pairs
        .filter(agree)
        .map(|(l, r)| l.iter().chain(r).map(|(k, v)| (k.clone(), v.clone())).collect())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Named, partitions};

    fn equal(field: &str, value: &str) -> Value {
        json!({"type": "compare", "comparison": "EQUAL", "left": {"type": "field", "field": field}, "right": {"type": "literal", "value": value}})
    }

    fn binary(operator: &str, left: Value, right: Value) -> Value {
        json!({"type": "binary", "operator": operator, "left": left, "right": right})
    }

    fn named(condition: Value) -> Vec<String> {
        let facet = json!({"inputCondition": condition});
        let path = |values: &super::PartitionValues| {
            values
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
                .join("/")
        };
        match partitions(&facet) {
            Named::Partitions(named) => named.iter().map(path).collect(),
            Named::TooMany => vec!["too many".to_owned()],
        }
    }

    #[test]
    fn lists_and_equalities_name_partitions() {
        let list = json!({"type": "partition", "partitions": [
            {"identifier": "2024-10-15-PL", "dimensions": {"day": "2024-10-15", "country": "PL"}}, {"dimensions": {"day": "2024-10-15", "hour": 7}}]});
        assert_eq!(named(list), ["country=PL/day=2024-10-15", "day=2024-10-15/hour=7"]);
        let both = binary("AND", equal("a", "1"), binary("or", equal("b", "2"), equal("b", "3")));
        assert_eq!(named(both), ["a=1/b=2", "a=1/b=3"]);
        let swapped = json!({"type": "compare", "comparison": "EQUAL", "right": {"type": "field", "field": "a"}, "left": {"type": "literal", "value": "1"}});
        assert_eq!(named(swapped), ["a=1"]);
        assert!(named(binary("AND", equal("a", "1"), equal("a", "2"))).is_empty());
    }

    #[test]
    fn what_names_no_partition_is_about_the_whole() {
        let range = json!({"type": "compare", "comparison": "LESS_THAN", "left": {"type": "field", "field": "a"}, "right": {"type": "literal", "value": "1"}});
        let cases = [
            json!({"type": "location", "locations": ["s3://a"]}),
            range.clone(),
            binary("AND", equal("a", "1"), range),
            binary("XOR", equal("a", "1"), equal("b", "1")),
            equal("version", "1"),
            equal("a", ""),
            json!({"type": "partition", "partitions": [{"dimensions": {"a": null}}]}),
            json!({"type": "partition", "partitions": [{"dimensions": {}}]}),
            json!({"type": "partition", "partitions": "all"}),
            json!("nonsense"),
        ];
        for case in cases {
            assert!(named(case.clone()).is_empty(), "{case}");
        }
    }
}
