//! Events as Jepsen's operation maps in EDN, one per line, such that reading them gives the same operations.

use std::fmt::Write as _;

use super::convert::Told;
use crate::value::Value;

/// Appends the map of an event, with its newline.
///
/// # Errors
/// If EDN, or its reader, has no way to say it.
pub(super) fn write_edn(out: &mut String, told: &Told<'_>) -> Result<(), &'static str> {
    let Told { index, raw, kind, value, place } = told;
    if i64::try_from(raw.process.0).is_err() {
        return Err("its process has a number of more than 63 bits");
    }
    let mut put =
        |text: std::fmt::Arguments<'_>| out.write_fmt(text).expect("writing to a string does not fail");
    put(format_args!("{{:index {index}, "));
    if let Some(time) = place.and_then(|place| place.time) {
        put(format_args!(":time {}, ", time.ns()));
    }
    put(format_args!(":process {}, :type :{kind}, :f ", raw.process));
    write_name(out, &raw.function);
    if let Some(key) = &raw.key {
        out.push_str(", :key ");
        write_text(out, key);
    }
    out.push_str(", :value ");
    write_value(out, value);
    if let Some(failure) = raw.failure.as_ref().filter(|_| *kind != "invoke") {
        let error = if failure.mismatch { Some("precondition") } else { failure.error.as_deref() };
        if let Some(error) = error {
            out.push_str(", :error ");
            write_name(out, error);
        }
        if let Some(actual) = &failure.actual {
            out.push_str(", :actual ");
            write_value(out, actual);
        }
    }
    out.push_str("}\n");
    Ok(())
}

/// Whether a text can stand as a keyword.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A keyword where that is possible, else a text.
fn write_name(out: &mut String, name: &str) {
    if is_name(name) {
        out.push(':');
        out.push_str(name);
    } else {
        write_text(out, name);
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Nil => out.push_str("nil"),
        Value::Int(number) => write!(out, "{number}").expect("writing to a string does not fail"),
        // A keyword is read as a text with its colon.
        Value::Text(text) => match text.strip_prefix(':') {
            Some(name) if is_name(name) => write_name(out, name),
            _ => write_text(out, text),
        },
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_value(out, item);
            }
            out.push(']');
        }
    }
}
