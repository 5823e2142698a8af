//! Which partitions a condition of a subset facet names.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::key::{PARTITION_KEYS, SHORT_NAME, check_name, check_partition_key};

/// The values of one partition, by key.
pub type PartitionValues = BTreeMap<String, String>;

/// The most partitions of an event that are told apart; a subset with which it has more is about the dataset as a whole.
const PARTITIONS: usize = 10_000;
/// The most that are put together on the way there: a few lines of conditions can come to millions.
const STEPS: usize = 100_000;

/// What a subset comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// These partitions; none where it does not name partitions.
    Partitions(BTreeSet<PartitionValues>),
    /// More than are told apart.
    TooMany,
    /// What earlier ones named is not meant any more.
    Deleted,
}

/// How much the subsets of one event may still come to.
#[derive(Debug)]
pub struct Budget {
    partitions: usize,
    steps: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            partitions: PARTITIONS,
            steps: STEPS,
        }
    }
}

/// Takes so many from what is left, if there are as many.
fn take(left: &mut usize, count: usize) -> bool {
    let rest = left.checked_sub(count);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

/// The partitions that a `subset` facet names by its condition: those that it lists, and those that comparisons for equality,
/// joined by AND and OR, amount to. None where it does not name partitions: for locations, ranges, two fields compared, or
/// keys and values that no partition can have.
pub fn partitions(facet: &Value, budget: &mut Budget) -> Named {
    let condition = facet.get("inputCondition").or_else(|| facet.get("outputCondition"));
    let named = match condition.and_then(|condition| of_condition(condition, &mut budget.steps)) {
        Some(Named::Partitions(named)) if named.iter().all(is_partition) => named,
        Some(Named::TooMany) => return Named::TooMany,
        _ => BTreeSet::new(),
    };
    if take(&mut budget.partitions, named.len()) {
        Named::Partitions(named)
    } else {
        Named::TooMany
    }
}

fn is_partition(values: &PartitionValues) -> bool {
    let fits = |(key, value): (&String, &String)| {
        check_partition_key("key", key).is_ok() && check_name("value", value, SHORT_NAME).is_ok()
    };
    !values.is_empty() && values.len() <= PARTITION_KEYS && values.iter().all(fits)
}

fn of_condition(condition: &Value, steps: &mut usize) -> Option<Named> {
    let named = match condition.get("type")?.as_str()? {
        "partition" => listed(condition)?,
        "compare" => BTreeSet::from([equality(condition)?]),
        "binary" => {
            let left = of_condition(condition.get("left")?, steps)?;
            let right = of_condition(condition.get("right")?, steps)?;
            let (Named::Partitions(left), Named::Partitions(right)) = (left, right) else {
                return Some(Named::TooMany);
            };
            return joined(condition.get("operator")?.as_str()?, left, right, steps);
        }
        _ => return None,
    };
    Some(within(steps, named.len(), || named))
}

/// What two conditions come to that are joined by AND or OR.
fn joined(
    operator: &str,
    left: BTreeSet<PartitionValues>,
    right: BTreeSet<PartitionValues>,
    steps: &mut usize,
) -> Option<Named> {
    match operator.to_ascii_uppercase().as_str() {
        "OR" => {
            let (mut most, fewer) = if left.len() < right.len() {
                (right, left)
            } else {
                (left, right)
            };
            Some(within(steps, fewer.len(), || {
                most.extend(fewer);
                most
            }))
        }
        "AND" => Some(within(steps, left.len() * right.len(), || both(&left, &right))),
        _ => None,
    }
}

/// What costs so many steps, if there are as many left.
fn within(steps: &mut usize, cost: usize, named: impl FnOnce() -> BTreeSet<PartitionValues>) -> Named {
    if take(steps, cost) {
        Named::Partitions(named())
    } else {
        Named::TooMany
    }
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

    use super::{Budget, Named, partitions};

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
        match partitions(&facet, &mut Budget::default()) {
            Named::Partitions(named) => named.iter().map(path).collect(),
            other => vec![format!("{other:?}")],
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
    fn the_subsets_of_an_event_are_told_apart_up_to_a_limit() {
        let count = |named: &Named| match named {
            Named::Partitions(named) => Some(named.len()),
            _ => None,
        };
        let any = |field: &str, count: usize| {
            let equal = (0..count).map(|n| equal(field, &n.to_string()));
            json!({"outputCondition": equal.reduce(|one, other| binary("OR", one, other)).unwrap()})
        };
        let with = |one: &Value, other: &Value| json!({"outputCondition": binary("AND", one["outputCondition"].clone(), other["outputCondition"].clone())});
        let mut budget = Budget::default();
        let counts = [60, 80, 5].map(|n| count(&partitions(&with(&any("a", 80), &any("b", n)), &mut budget)));
        assert_eq!(
            counts,
            [Some(4_800), None, Some(400)],
            "what is too many leaves room for others"
        );
        let few_of_many = with(&any("a", 100), &any("a", 100));
        assert_eq!(count(&partitions(&few_of_many, &mut Budget::default())), Some(100));
        assert_eq!(count(&partitions(&any("a", 400), &mut Budget::default())), Some(400));
        let many = with(&any("a", 400), &any("b", 400));
        assert_eq!(partitions(&many, &mut Budget::default()), Named::TooMany);
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
