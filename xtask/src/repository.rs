//! Where things lie in this repository.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The work tree that this program was built from.
#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
}

impl Repository {
    pub(crate) fn here() -> Self {
        let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: xtask.parent().expect("xtask lies in the root").to_path_buf() }
    }

    pub(crate) fn web(&self) -> PathBuf {
        self.root.join("web")
    }

    pub(crate) fn conformance(&self, part: &str) -> PathBuf {
        self.root.join("conformance").join(part)
    }

    /// The Python of the checks' own environment, made by `cargo xtask install`.
    pub(crate) fn python(&self) -> PathBuf {
        let program = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        self.root.join(".venv").join(program)
    }

    /// Older Python packages, for those tests that want them in place of the current ones.
    pub(crate) fn old_python_packages(&self) -> PathBuf {
        self.root.join(".venv/old")
    }

    /// Where cargo builds, and reports go.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    /// The release build of `omniwire`.
    pub(crate) fn binary(&self) -> PathBuf {
        self.built("release", "omniwire")
    }

    /// The release build of another of our programs.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    /// The debug build of one of our programs.
    pub(crate) fn debug_binary(&self, name: &str) -> PathBuf {
        self.built("debug", name)
    }

    fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target().join(profile).join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// The very cargo that started this program.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        self.command(cargo)
    }

    /// A program that runs in the root.
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root);
        command
    }
}
