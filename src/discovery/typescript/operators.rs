//! JavaScript's operators on constants. Where JavaScript would convert between
//! types in a way that nobody means (`'5' * 2`), there is no value.

use std::cmp::Ordering;
use std::sync::Arc;

use oxc_syntax::operator::{BinaryOperator, UnaryOperator};
use rust_decimal::Decimal;

use super::names::At;
use crate::discovery::number;
use crate::discovery::value::{Node, Poison, Value};

/// Truthiness.
pub(crate) fn truth(node: &Node) -> Result<bool, Arc<Poison>> {
    match &node.value {
        Value::Undefined | Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        Value::Number(value) => Ok(!value.is_zero()),
        Value::Text(text) => Ok(!text.is_empty()),
        Value::List(_) | Value::Record(_) => Ok(true),
        Value::Poison(poison) => Err(poison.clone()),
    }
}

/// As JavaScript would show it. `Err(None)` for lists and records.
pub(crate) fn to_text(node: &Node) -> Result<String, Option<Arc<Poison>>> {
    match &node.value {
        Value::Undefined => Ok("undefined".to_owned()),
        Value::Null => Ok("null".to_owned()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(value) => Ok(value.normalize().to_string()),
        Value::Text(text) => Ok(text.to_string()),
        Value::List(_) | Value::Record(_) => Err(None),
        Value::Poison(poison) => Err(Some(poison.clone())),
    }
}

pub(crate) fn unary(operator: UnaryOperator, argument: &Arc<Node>, at: &At<'_>) -> Arc<Node> {
    if argument.poison().is_some() {
        return argument.clone();
    }
    match (operator, &argument.value) {
        (UnaryOperator::UnaryPlus, Value::Number(_)) => argument.clone(),
        (UnaryOperator::UnaryNegation, Value::Number(value)) => {
            // JavaScript's -0 is shown as 0.
            let negated = if value.is_zero() { *value } else { -*value };
            at.node(Value::Number(negated))
        }
        (UnaryOperator::BitwiseNot, Value::Number(value)) => match to_i32(*value) {
            Some(value) => at.node(Value::Number((!value).into())),
            None => at.poison("it is no 32-bit integer"),
        },
        (UnaryOperator::LogicalNot, _) => match truth(argument) {
            Ok(truth) => at.node(Value::Bool(!truth)),
            Err(poison) => at.node(Value::Poison(poison)),
        },
        (UnaryOperator::Typeof, value) => at.node(Value::Text(type_of(value).into())),
        (UnaryOperator::Void, _) => at.node(Value::Undefined),
        (UnaryOperator::Delete, _) => at.poison("it changes a record"),
        (
            UnaryOperator::UnaryPlus | UnaryOperator::UnaryNegation | UnaryOperator::BitwiseNot,
            _,
        ) => at.poison(format!("{} is no number", argument.describe())),
    }
}

pub(crate) fn binary(
    operator: BinaryOperator,
    left: &Arc<Node>,
    right: &Arc<Node>,
    at: &At<'_>,
) -> Arc<Node> {
    for side in [left, right] {
        if side.poison().is_some() {
            return side.clone();
        }
    }
    match operator {
        BinaryOperator::Addition => addition(left, right, at),
        BinaryOperator::Subtraction => arithmetic(number::sub, left, right, at),
        BinaryOperator::Multiplication => arithmetic(number::mul, left, right, at),
        BinaryOperator::Division | BinaryOperator::Remainder if is_zero(right) => {
            at.poison("a division by zero is not a finite number")
        }
        BinaryOperator::Division => arithmetic(number::div, left, right, at),
        BinaryOperator::Remainder => arithmetic(number::rem, left, right, at),
        BinaryOperator::Exponential => arithmetic(number::pow, left, right, at),
        BinaryOperator::BitwiseOR => bitwise(|a, b| a | b, left, right, at),
        BinaryOperator::BitwiseXOR => bitwise(|a, b| a ^ b, left, right, at),
        BinaryOperator::BitwiseAnd => bitwise(|a, b| a & b, left, right, at),
        BinaryOperator::ShiftLeft => {
            bitwise(|a, b| a.wrapping_shl(b.cast_unsigned()), left, right, at)
        }
        BinaryOperator::ShiftRight => {
            bitwise(|a, b| a.wrapping_shr(b.cast_unsigned()), left, right, at)
        }
        BinaryOperator::Equality => equality(left, right, false, at),
        BinaryOperator::StrictEquality => equality(left, right, true, at),
        BinaryOperator::Inequality => negate(&equality(left, right, false, at), at),
        BinaryOperator::StrictInequality => negate(&equality(left, right, true, at), at),
        BinaryOperator::LessThan => compare(Ordering::is_lt, left, right, at),
        BinaryOperator::LessEqualThan => compare(Ordering::is_le, left, right, at),
        BinaryOperator::GreaterThan => compare(Ordering::is_gt, left, right, at),
        BinaryOperator::GreaterEqualThan => compare(Ordering::is_ge, left, right, at),
        BinaryOperator::In => match (to_text(left), right.as_record()) {
            (Ok(key), Some(record)) if record.rest.is_none() => {
                at.node(Value::Bool(record.get(&key).is_some()))
            }
            _ => at.poison("`in` needs a key and a record"),
        },
        BinaryOperator::ShiftRightZeroFill | BinaryOperator::Instanceof => {
            at.poison("this operator is not evaluated")
        }
    }
}

fn addition(left: &Arc<Node>, right: &Arc<Node>, at: &At<'_>) -> Arc<Node> {
    if left.as_text().is_none() && right.as_text().is_none() {
        return arithmetic(number::add, left, right, at);
    }
    match (to_text(left), to_text(right)) {
        (Ok(left), Ok(right)) if left.len() + right.len() <= 1 << 20 => {
            at.node(Value::Text((left + &right).into()))
        }
        _ => at.poison("only short texts and numbers can be joined"),
    }
}

fn arithmetic(
    operation: fn(Decimal, Decimal) -> Option<Decimal>,
    left: &Arc<Node>,
    right: &Arc<Node>,
    at: &At<'_>,
) -> Arc<Node> {
    match (&left.value, &right.value) {
        (Value::Number(a), Value::Number(b)) => match operation(*a, *b) {
            Some(result) => at.node(Value::Number(result)),
            None => at.poison("the result cannot be calculated exactly"),
        },
        (Value::Number(_), _) => at.poison(format!("{} is no number", right.describe())),
        _ => at.poison(format!("{} is no number", left.describe())),
    }
}

fn bitwise(
    operation: fn(i32, i32) -> i32,
    left: &Arc<Node>,
    right: &Arc<Node>,
    at: &At<'_>,
) -> Arc<Node> {
    let number = |node: &Node| match &node.value {
        Value::Number(value) => to_i32(*value),
        Value::Undefined
        | Value::Null
        | Value::Bool(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Record(_)
        | Value::Poison(_) => None,
    };
    match (number(left), number(right)) {
        (Some(a), Some(b)) => at.node(Value::Number(operation(a, b).into())),
        _ => at.poison("both sides must be 32-bit integers"),
    }
}

fn equality(left: &Arc<Node>, right: &Arc<Node>, strict: bool, at: &At<'_>) -> Arc<Node> {
    let equal = match (&left.value, &right.value) {
        (Value::Undefined, Value::Undefined) | (Value::Null, Value::Null) => true,
        (Value::Undefined, Value::Null) | (Value::Null, Value::Undefined) => !strict,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::List(_), Value::List(_)) | (Value::Record(_), Value::Record(_)) => {
            Arc::ptr_eq(left, right)
        }
        _ if strict || left.is_nothing() || right.is_nothing() => false,
        _ => return at.poison("it compares values of different kinds; use `===`"),
    };
    at.node(Value::Bool(equal))
}

fn negate(node: &Arc<Node>, at: &At<'_>) -> Arc<Node> {
    unary(UnaryOperator::LogicalNot, node, at)
}

fn compare(
    holds: fn(Ordering) -> bool,
    left: &Arc<Node>,
    right: &Arc<Node>,
    at: &At<'_>,
) -> Arc<Node> {
    let holds = match (&left.value, &right.value) {
        (Value::Number(a), Value::Number(b)) => holds(a.cmp(b)),
        (Value::Null, Value::Number(b)) => holds(Decimal::ZERO.cmp(b)),
        (Value::Number(a), Value::Null) => holds(a.cmp(&Decimal::ZERO)),
        (Value::Text(a), Value::Text(b)) => holds(a.encode_utf16().cmp(b.encode_utf16())),
        (Value::Undefined, _) | (_, Value::Undefined) => false,
        _ => {
            return at.poison(format!(
                "{} and {} cannot be compared",
                left.describe(),
                right.describe()
            ));
        }
    };
    at.node(Value::Bool(holds))
}

fn is_zero(node: &Node) -> bool {
    matches!(node.value, Value::Number(value) if value.is_zero())
}

fn to_i32(value: Decimal) -> Option<i32> {
    value.is_integer().then(|| i32::try_from(value).ok())?
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Undefined => "undefined",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::Null | Value::List(_) | Value::Record(_) | Value::Poison(_) => "object",
    }
}
