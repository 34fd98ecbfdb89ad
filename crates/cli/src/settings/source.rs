//! Where a setting was given, so that a mistake is named there.

use super::file::position;
use crate::mistake::Mistake;
use crate::options::ServeOptions;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// All places that settings come from.
pub(super) struct Sources<'a> {
    pub(super) matches: &'a ArgMatches,
    /// The configuration file and its text, if there is one.
    pub(super) file: Option<(&'a Path, String)>,
}

/// The value of a setting.
#[derive(Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

/// Where it was given.
#[derive(Debug, Clone)]
pub(super) struct Source {
    setting: &'static str,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Flag,
    Variable,
    File { path: PathBuf, line: usize, column: usize },
}

impl Sources<'_> {
    /// The value of a setting, which has the same name in the file and as clap's id: what stands
    /// above, or the file's.
    pub(super) fn given<T>(
        &self,
        setting: &'static str,
        above: Option<T>,
        file: Option<Spanned<T>>,
    ) -> Option<Given<T>> {
        let above = above.map(|value| Given { value, source: self.above(setting) });
        above.or_else(|| file.map(|value| self.in_file(setting, value)))
    }

    /// The same for a setting with several values.
    pub(super) fn list<T: Clone>(
        &self,
        setting: &'static str,
        above: &[T],
        file: Vec<Spanned<T>>,
    ) -> Vec<Given<T>> {
        if above.is_empty() {
            return file.into_iter().map(|value| self.in_file(setting, value)).collect();
        }
        let source = self.above(setting);
        let given = |value: &T| Given { value: value.clone(), source: source.clone() };
        above.iter().map(given).collect()
    }

    pub(super) fn above(&self, setting: &'static str) -> Source {
        let place = match self.matches.value_source(setting) {
            Some(ValueSource::EnvVariable) => Place::Variable,
            _ => Place::Flag,
        };
        Source { setting, place }
    }

    fn in_file<T>(&self, setting: &'static str, value: Spanned<T>) -> Given<T> {
        let source = self.at(setting, value.span());
        Given { value: value.into_inner(), source }
    }

    /// A place in the file.
    pub(super) fn at(&self, setting: &'static str, span: Range<usize>) -> Source {
        let (path, text) =
            self.file.as_ref().map_or((Path::new(""), ""), |(path, text)| (path, text));
        let (line, column) = position(text, span.start);
        Source { setting, place: Place::File { path: path.to_owned(), line, column } }
    }
}

impl<T> Given<T> {
    pub(super) fn mistake(&self, why: impl fmt::Display) -> Mistake {
        self.source.mistake(why)
    }
}

impl Source {
    pub(super) fn mistake(&self, why: impl fmt::Display) -> Mistake {
        Mistake(format!("{self}: {why}"))
    }

    /// How another setting would be given in the same place.
    pub(super) fn name(&self, setting: &str) -> String {
        let serve = ServeOptions::augment_args(clap::Command::new("serve"));
        let argument = serve.get_arguments().find(|argument| argument.get_id() == setting);
        let name = argument.and_then(|argument| match self.place {
            Place::Flag => argument.get_long().map(|flag| format!("--{flag}")),
            Place::Variable => argument.get_env().map(|name| name.to_string_lossy().into_owned()),
            Place::File { .. } => None,
        });
        name.unwrap_or_else(|| setting.to_owned())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Place::File { path, line, column } = &self.place {
            write!(f, "{}, line {line}, column {column}: ", path.display())?;
        }
        f.write_str(&self.name(self.setting))
    }
}
