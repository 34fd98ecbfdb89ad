//! What the checks need beyond cargo, brought by the system's own package managers.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node;
use crate::process::{self, Failure, Result};
use crate::repository::Repository;

pub(crate) fn run(repository: &Repository) -> Result {
    node::check()?;
    debian_packages()?;
    for package in node_packages(repository) {
        node::install(&package)?;
    }
    python_environment(repository)
}

/// What it takes to build the binary, beyond what Rust itself needs.
pub(crate) fn build_tools() -> Result {
    install_missing(BUILD_TOOLS)
}

/// What the checks need of Debian's.
pub(crate) fn debian_packages() -> Result {
    build_tools()?;
    install_missing(DEBIAN)
}

/// Every folder of ours that has npm packages to install.
fn node_packages(repository: &Repository) -> Vec<PathBuf> {
    let folders =
        [repository.web(), repository.conformance("node"), repository.conformance("browser")];
    folders.into_iter().filter(|folder| folder.join("package.json").is_file()).collect()
}

/// A program of Debian's, and how to see that it is missing.
struct Debian {
    package: &'static str,
    is_there: fn() -> bool,
}

/// jemalloc is C, with a Makefile.
const BUILD_TOOLS: &[Debian] =
    &[Debian { package: "make", is_there: || process::is_there("make") }];

const DEBIAN: &[Debian] = &[
    Debian { package: "chromium", is_there: || Path::new("/usr/bin/chromium").exists() },
    Debian { package: "curl", is_there: || process::is_there("curl") },
    // libFuzzer, which the step `fuzz` links, is C++.
    Debian { package: "g++", is_there: || process::is_there("c++") },
    // With pkg-config, for `rust_socketio`, which speaks TLS by OpenSSL.
    Debian { package: "libssl-dev", is_there: || Path::new("/usr/include/openssl/ssl.h").exists() },
    Debian { package: "nginx", is_there: || Path::new("/usr/sbin/nginx").exists() },
    Debian { package: "valgrind", is_there: || process::is_there("valgrind") },
    Debian {
        package: "openssl",
        // It has a word of its own for `--version`.
        is_there: || process::read(Command::new("openssl").arg("version")).is_ok(),
    },
    Debian { package: "pkg-config", is_there: || process::is_there("pkg-config") },
    Debian {
        package: "python3-venv",
        is_there: || {
            process::read(Command::new("python3").args(["-c", "import ensurepip"])).is_ok()
        },
    },
];

fn install_missing(wanted: &[Debian]) -> Result {
    let missing = wanted.iter().filter(|debian| !(debian.is_there)());
    let missing: Vec<_> = missing.map(|debian| debian.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !process::is_there("apt-get") {
        let missing = missing.join(", ");
        return Err(Failure::new(format!("no apt-get here: install {missing} by hand")));
    }
    process::run(&mut apt_get(&["update", "--quiet=2"]))?;
    let install = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    process::run(apt_get(&install).args(&missing))?;
    match wanted.iter().find(|debian| !(debian.is_there)()) {
        None => Ok(()),
        Some(debian) => Err(Failure::new(format!("{} is still missing", debian.package))),
    }
}

fn apt_get(arguments: &[&str]) -> Command {
    let user = process::read(Command::new("id").arg("-u")).unwrap_or_default();
    let mut command = Command::new("env");
    if user.trim() != "0" {
        command = Command::new("sudo");
        // Without a password at hand sudo fails at once instead of asking nobody.
        command.args(["--non-interactive", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

/// `.venv` with exactly the packages of `requirements.txt`, and beside them, in a folder that not
/// all look into, those of `requirements-old.txt`.
pub(crate) fn python_environment(repository: &Repository) -> Result {
    let environment = repository.root.join(".venv");
    let requirements = Requirements::read(repository, "requirements.txt")?;
    if !requirements.are_in(&environment) {
        process::run(repository.command("python3").args(["-m", "venv", "--clear", ".venv"]))?;
        requirements.install(repository, &environment, &[])?;
    }
    let old = repository.old_python_packages();
    let requirements = Requirements::read(repository, "requirements-old.txt")?;
    if !requirements.are_in(&old) {
        let target = [OsStr::new("--no-deps"), OsStr::new("--upgrade"), OsStr::new("--target")];
        requirements.install(repository, &old, &[&target[..], &[old.as_os_str()]].concat())?;
    }
    Ok(())
}

/// A list of Python packages.
struct Requirements {
    name: &'static str,
    file: PathBuf,
    text: String,
}

impl Requirements {
    fn read(repository: &Repository, name: &'static str) -> Result<Self> {
        let file = repository.conformance("python").join(name);
        let text = fs::read_to_string(&file);
        let text = text.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        Ok(Self { name, file, text })
    }

    /// What was installed last is written there.
    fn are_in(&self, folder: &Path) -> bool {
        fs::read_to_string(folder.join(self.name)).is_ok_and(|installed| installed == self.text)
    }

    fn install(&self, repository: &Repository, folder: &Path, options: &[&OsStr]) -> Result {
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let mut pip = repository.command(repository.python());
        process::run(pip.args(install).args(options).arg("--requirement").arg(&self.file))?;
        let stamp = folder.join(self.name);
        fs::write(&stamp, &self.text)
            .map_err(|error| Failure::new(format!("{}: {error}", stamp.display())))
    }
}
