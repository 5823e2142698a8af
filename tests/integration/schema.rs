//! The public schema: what is committed is what the code makes, all of it is documented, and it keeps the contract.

use std::{collections::BTreeMap, fs};

use async_graphql::{
    Name, Positioned,
    parser::{
        parse_schema,
        types::{FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
    },
};
use heirloom::graphql::sdl;

/// The types of a schema by name.
fn types(source: &str) -> BTreeMap<String, TypeDefinition> {
    let document = parse_schema(source).unwrap();
    let definitions = document
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            _ => None,
        });
    definitions
        .map(|definition| (definition.name.to_string(), definition))
        .collect()
}

#[test]
fn the_committed_schema_is_the_one_that_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let committed = fs::read_to_string(path).expect("schema.graphql must be there: run `make schema`");
    let made = sdl();
    let different = committed
        .lines()
        .zip(made.lines())
        .position(|(one, other)| one != other);
    let line = different.map_or(0, |at| at + 1);
    assert!(
        committed.trim_end() == made.trim_end(),
        "schema.graphql differs from the code from line {line} on: run `make schema`"
    );
}

/// What has no description, by its path.
fn undocumented(source: &str) -> Vec<String> {
    let mut missing = Vec::new();
    let mut check = |path: String, description: Option<&Positioned<String>>| {
        if description.is_none_or(|text| text.node.trim().len() < 4) {
            missing.push(path);
        }
    };
    for (name, definition) in types(source) {
        check(name.clone(), definition.description.as_ref());
        for field in fields(&definition) {
            let path = format!("{name}.{}", field.name.node);
            check(path.clone(), field.description.as_ref());
            for argument in &field.arguments {
                check(
                    format!("{path}({})", argument.node.name.node),
                    argument.node.description.as_ref(),
                );
            }
        }
        for input in inputs(&definition) {
            check(format!("{name}.{}", input.name.node), input.description.as_ref());
        }
        if let TypeKind::Enum(values) = &definition.kind {
            for value in &values.values {
                check(
                    format!("{name}.{}", value.node.value.node),
                    value.node.description.as_ref(),
                );
            }
        }
    }
    missing
}

#[test]
fn everything_in_the_schema_is_documented() {
    assert_eq!(undocumented(&sdl()), [] as [String; 0]);
    let bare = "\"\"\"Described\"\"\" type A { b(c: Int): Int } enum E { F } input I { j: Int } scalar S";
    assert_eq!(undocumented(bare), ["A.b", "A.b(c)", "E", "E.F", "I", "I.j", "S"]);
}

fn fields(definition: &TypeDefinition) -> Vec<&FieldDefinition> {
    match &definition.kind {
        TypeKind::Object(object) => object.fields.iter().map(|field| &field.node).collect(),
        TypeKind::Interface(interface) => interface.fields.iter().map(|field| &field.node).collect(),
        _ => Vec::new(),
    }
}

fn inputs(definition: &TypeDefinition) -> Vec<&InputValueDefinition> {
    match &definition.kind {
        TypeKind::InputObject(object) => object.fields.iter().map(|field| &field.node).collect(),
        _ => Vec::new(),
    }
}

/// A promise of the contract: a path with its type and default.
type Promises = BTreeMap<String, String>;

/// Everything that a schema promises.
fn promises(source: &str) -> Promises {
    let mut all = Promises::new();
    for (name, definition) in types(source) {
        let has = |directive: &str| definition.directives.iter().any(|d| d.node.name.node == directive);
        let (kind, implements): (&str, &[Positioned<Name>]) = match &definition.kind {
            TypeKind::Scalar => ("scalar", &[]),
            TypeKind::Object(object) => ("type", &object.implements),
            TypeKind::Interface(_) => ("interface", &[]),
            TypeKind::Union(_) => ("union", &[]),
            TypeKind::Enum(_) => ("enum", &[]),
            TypeKind::InputObject(_) if has("oneOf") => ("input @oneOf", &[]),
            TypeKind::InputObject(_) => ("input", &[]),
        };
        all.insert(name.clone(), kind.to_owned());
        for interface in implements {
            all.insert(format!("{name} implements {}", interface.node), String::new());
        }
        for field in fields(&definition) {
            let path = format!("{name}.{}", field.name.node);
            all.insert(path.clone(), field.ty.node.to_string());
            for argument in &field.arguments {
                all.insert(format!("{path}({})", argument.node.name.node), typed(&argument.node));
            }
        }
        for input in inputs(&definition) {
            all.insert(format!("{name}.{}", input.name.node), typed(input));
        }
        if let TypeKind::Enum(values) = &definition.kind {
            all.extend(
                values
                    .values
                    .iter()
                    .map(|value| (format!("{name}.{}", value.node.value.node), "value".to_owned())),
            );
        }
    }
    all
}

fn typed(input: &InputValueDefinition) -> String {
    match &input.default_value {
        Some(default) => format!("{} = {}", input.ty.node, default.node),
        None => input.ty.node.to_string(),
    }
}

#[test]
fn the_schema_keeps_the_contract() {
    let (contract, schema) = (promises(include_str!("contract.graphql")), promises(&sdl()));
    assert!(
        contract.len() > 250,
        "this is not all of the contract: {}",
        contract.len()
    );
    let mut broken = Vec::new();
    for (path, promised) in &contract {
        match schema.get(path) {
            None => broken.push(format!("{path}: {promised} is missing")),
            Some(kept) if kept != promised => broken.push(format!("{path} is {kept}, not {promised}")),
            Some(_) => {}
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn connections_follow_relay() {
    let schema = promises(&sdl());
    let names: Vec<&String> = schema
        .keys()
        .filter(|path| path.ends_with("Connection") && !path.contains('.'))
        .collect();
    assert!(names.len() >= 8, "{names:?}");
    for connection in names {
        let edge = connection.replace("Connection", "Edge");
        let promised = |path: &str| schema.get(path).map(String::as_str);
        let node = schema
            .get(&format!("{edge}.node"))
            .unwrap_or_else(|| panic!("{edge} has no node"));
        for (path, kept) in [
            (format!("{connection}.edges"), format!("[{edge}!]!")),
            (format!("{connection}.nodes"), format!("[{node}]!")),
            (format!("{connection}.pageInfo"), "PageInfo!".to_owned()),
            (format!("{connection}.totalCount"), "Int!".to_owned()),
            (format!("{edge}.cursor"), "String!".to_owned()),
        ] {
            assert_eq!(promised(&path), Some(kept.as_str()), "{path}");
        }
    }
    for edge in ["VersionConsumerEdge", "ExecutionInputEdge", "ExecutionOutputEdge"] {
        assert_eq!(schema[&format!("{edge}.name")], "String");
        assert_eq!(schema[&format!("{edge}.recordedAt")], "DateTime!");
    }
    for (field, kept) in [
        ("hasNextPage", "Boolean!"),
        ("hasPreviousPage", "Boolean!"),
        ("startCursor", "String"),
        ("endCursor", "String"),
    ] {
        assert_eq!(schema[&format!("PageInfo.{field}")], kept);
    }
}
