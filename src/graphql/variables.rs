//! Whether the variables of a request fit the operation.
//!
//! The library runs an operation whose required variable is absent, and looks at a value only where it is used, while
//! it executes; the specification wants a request error before anything runs.

use std::fmt;

use async_graphql::{
    Pos, Value, Variables,
    parser::types::{BaseType, OperationDefinition, Type, VariableDefinition},
    registry::{MetaType, MetaTypeName, Registry},
};

use super::{
    error::{ApiError, ErrorCode},
    scalars,
};

/// Everything that is wrong with the variables, one error for each of them.
///
/// # Errors
/// GRAPHQL_VALIDATION_FAILED when a required variable is absent or a value does not fit its type; BAD_USER_INPUT when a
/// scalar of ours cannot read it.
pub fn check(registry: &Registry, operation: &OperationDefinition, variables: &Variables) -> Result<(), Vec<ApiError>> {
    let errors: Vec<_> = operation
        .variable_definitions
        .iter()
        .filter_map(|definition| check_one(registry, &definition.node, variables).err())
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_one(registry: &Registry, definition: &VariableDefinition, variables: &Variables) -> Result<(), ApiError> {
    let name = definition.name.node.as_str();
    let wanted = &definition.var_type.node;
    let place = Place {
        registry,
        position: definition.name.pos,
    };
    if !registry.types.contains_key(innermost(wanted)) {
        return Err(place.invalid(format!("The variable \"${name}\" is of the unknown type \"{wanted}\".")));
    }
    match variables.get(name) {
        None if definition.default_value.is_none() && !wanted.nullable => Err(place.invalid(format!(
            "The variable \"${name}\" of the required type \"{wanted}\" is not given."
        ))),
        None => Ok(()),
        Some(value) => place.check(
            &wanted.to_string(),
            value,
            Path {
                parent: None,
                segment: Segment::Variable(name),
            },
        ),
    }
}

fn innermost(wanted: &Type) -> &str {
    match &wanted.base {
        BaseType::Named(name) => name,
        BaseType::List(items) => innermost(items),
    }
}

/// Where in a value: spelled out only when something is wrong there.
#[derive(Clone, Copy)]
struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Variable(&'a str),
    Field(&'a str),
    Item(usize),
}

impl<'a> Path<'a> {
    fn item(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Item(index),
        }
    }

    fn field(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            segment: Segment::Field(name),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            Segment::Variable(name) => write!(f, "${name}"),
            Segment::Field(name) => write!(f, ".{name}"),
            Segment::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// Where values are checked: against which types, and where in the document an error is.
#[derive(Clone, Copy)]
struct Place<'a> {
    registry: &'a Registry,
    position: Pos,
}

impl Place<'_> {
    fn invalid(self, message: String) -> ApiError {
        ApiError::new(ErrorCode::GraphqlValidationFailed, message).at(self.position)
    }

    fn misfit(self, wanted: &str, path: Path<'_>) -> ApiError {
        self.invalid(format!("The value of \"{path}\" does not fit the type \"{wanted}\"."))
            .about(path.to_string())
    }

    fn check(self, wanted: &str, value: &Value, path: Path<'_>) -> Result<(), ApiError> {
        match (MetaTypeName::create(wanted), value) {
            (MetaTypeName::NonNull(_), Value::Null) => Err(self
                .invalid(format!(
                    "The value of \"{path}\" is null, but its type \"{wanted}\" is required."
                ))
                .about(path.to_string())),
            (MetaTypeName::NonNull(inner), _) => self.check(inner, value, path),
            (_, Value::Null) => Ok(()),
            (MetaTypeName::List(items), Value::List(values)) => values
                .iter()
                .enumerate()
                .try_for_each(|(index, value)| self.check(items, value, path.item(index))),
            // A single value stands for a list of one.
            (MetaTypeName::List(items), _) => self.check(items, value, path),
            (MetaTypeName::Named(name), _) => self.check_named(name, value, path),
        }
    }

    fn check_named(self, name: &str, value: &Value, path: Path<'_>) -> Result<(), ApiError> {
        match self.registry.types.get(name) {
            Some(MetaType::Scalar { is_valid, .. }) => {
                let fits =
                    is_valid.as_ref().is_none_or(|is_valid| is_valid(value)) && (name != "Int" || fits_int(value));
                if fits { Ok(()) } else { Err(self.unreadable(name, path)) }
            }
            Some(MetaType::Enum { enum_values, .. }) => match value {
                Value::String(text) if enum_values.contains_key(text) => Ok(()),
                _ => {
                    let names: Vec<_> = enum_values.keys().map(String::as_str).collect();
                    Err(self
                        .invalid(format!("The value of \"{path}\" is none of {}.", names.join(", ")))
                        .about(path.to_string()))
                }
            },
            Some(MetaType::InputObject { .. }) => self.check_object(name, value, path),
            // Variables of an output type are the validation's to complain about.
            _ => Ok(()),
        }
    }

    fn unreadable(self, scalar: &str, path: Path<'_>) -> ApiError {
        match scalars::advice(scalar) {
            Some(advice) => {
                let message = format!("The value of \"{path}\" is no {scalar}: {advice}.");
                ApiError::bad_user_input(path.to_string(), message).at(self.position)
            }
            None => self.misfit(scalar, path),
        }
    }

    fn check_object(self, name: &str, value: &Value, path: Path<'_>) -> Result<(), ApiError> {
        let (
            Some(MetaType::InputObject {
                input_fields, oneof, ..
            }),
            Value::Object(given),
        ) = (self.registry.types.get(name), value)
        else {
            return Err(self.misfit(name, path));
        };
        if let Some(unknown) = given.keys().find(|key| !input_fields.contains_key(key.as_str())) {
            let message =
                format!("The value of \"{path}\" has a field \"{unknown}\", which the type \"{name}\" does not have.");
            return Err(self.invalid(message).about(path.to_string()));
        }
        if *oneof && (given.len() != 1 || given.values().any(|value| *value == Value::Null)) {
            let message =
                format!("The value of \"{path}\" must give exactly one field of the type \"{name}\", and not null.");
            return Err(self.invalid(message).about(path.to_string()));
        }
        for field in input_fields.values() {
            match given.get(field.name.as_str()) {
                Some(value) => self.check(&field.ty, value, path.field(&field.name))?,
                None if MetaTypeName::create(&field.ty).is_non_null() && field.default_value.is_none() => {
                    let message = format!(
                        "The value of \"{path}\" lacks the field \"{}\" of the required type \"{}\".",
                        field.name, field.ty
                    );
                    return Err(self.invalid(message).about(path.to_string()));
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// The library asks for 64 bits here, and for 32 only while it executes.
fn fits_int(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()))
}
