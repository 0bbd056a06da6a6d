//! Names that people type: what is meant by one, or what could have been.

use std::fmt::Write as _;

/// Below this similarity a suggestion would only confuse.
const SIMILAR: f64 = 0.7;

/// A name that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?}{}; known are {}", did_you_mean(suggestion.as_deref()), known.join(", "))]
pub struct UnknownName {
    /// What it should have named.
    pub what: &'static str,
    /// What was typed.
    pub name: String,
    /// The known name that is nearest, if one is near.
    pub suggestion: Option<String>,
    /// All that are known.
    pub known: Vec<String>,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or(String::new(), |name| format!(", did you mean {name}?"))
}

impl UnknownName {
    /// The error for a name that is not among `known`.
    pub fn new(what: &'static str, name: &str, known: &[&str]) -> Self {
        assert!(!known.contains(&name), "the name is known");
        let nearest = known
            .iter()
            .map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), *candidate))
            .max_by(|(one, _), (other, _)| one.total_cmp(other));
        let suggestion =
            nearest.filter(|(likeness, _)| *likeness >= SIMILAR).map(|(_, near)| near.to_owned());
        let known = known.iter().map(|known| (*known).to_owned()).collect();
        Self { what, name: name.to_owned(), suggestion, known }
    }
}

/// Names and one line about each, as a column of text.
pub fn table(rows: &[(&str, &str)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, about) in rows {
        let _ = writeln!(text, "{name:<width$}  {about}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["register", "append", "kv"];
        insta::assert_snapshot!(
            UnknownName::new("workload", "apend", &known),
            @r#"unknown workload "apend", did you mean append?; known are register, append, kv"#
        );
        insta::assert_snapshot!(
            UnknownName::new("workload", "zzz", &known),
            @r#"unknown workload "zzz"; known are register, append, kv"#
        );
    }
}
