//! Where the programs come from: each is built, or installed, once before anything is measured.
//! What can't be had on this machine is no failure: the table says why there is no figure.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::node;
use crate::process::{self, Failure, Result};
use crate::repository::Repository;
use crate::server;

/// What a server is started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Program {
    /// `omniwire`.
    Binary,
    /// A server of `bench/src/bin`.
    Ours(&'static str),
    /// A server of `bench/peers/src/bin`.
    Peer(&'static str),
    /// A server of `bench/peers/node`.
    Node(&'static str),
    /// From the user's copy of the sources, or from npm.
    UWebSockets,
    /// Can't be had by a command; what is known of it.
    Elsewhere(&'static str),
}

/// Sets of programs that one command brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Peers,
    Node,
    UWebSockets,
}

/// What is there, and why the rest is not.
#[derive(Debug)]
pub(crate) struct Programs {
    missing: HashMap<Kind, String>,
    has_uwebsockets_sources: bool,
}

impl Programs {
    /// Builds and installs what these need.
    pub(crate) fn prepare(
        repository: &Repository,
        wanted: &[Program],
        uwebsockets: Option<&Path>,
    ) -> Result<Self> {
        println!("── build the servers, the generator and the peers");
        server::build(repository)?;
        let package = ["--package", "omniwire-bench"];
        process::run(repository.cargo().args(["build", "--release", "--locked"]).args(package))?;
        let mut missing = HashMap::new();
        for kind in [Kind::Peers, Kind::Node, Kind::UWebSockets] {
            if !wanted.iter().any(|program| kind_of(*program) == Some(kind)) {
                continue;
            }
            let prepared = match kind {
                Kind::Peers => build_peers(repository),
                Kind::Node => install(&peers(repository).join("node")),
                Kind::UWebSockets => prepare_uwebsockets(repository, uwebsockets),
            };
            if let Err(failure) = prepared {
                println!("   not here: {failure}");
                missing.insert(kind, failure.to_string());
            }
        }
        Ok(Self { missing, has_uwebsockets_sources: uwebsockets.is_some() })
    }

    /// Why a program is not here.
    pub(crate) fn why_missing(&self, program: Program) -> Option<&str> {
        match program {
            Program::Elsewhere(why) => Some(why),
            program => self.missing.get(&kind_of(program)?).map(String::as_str),
        }
    }

    /// How it is started.
    pub(crate) fn command(
        &self,
        repository: &Repository,
        program: Program,
    ) -> Result<Vec<OsString>> {
        let node = |file: PathBuf| vec!["node".into(), file.into()];
        match program {
            Program::Binary => Ok(vec![repository.binary().into()]),
            Program::Ours(name) => Ok(vec![beside(repository, name).into()]),
            Program::Peer(name) => {
                Ok(vec![peers_target(repository).join("release").join(name).into()])
            }
            Program::Node(file) => Ok(node(peers(repository).join("node").join(file))),
            Program::UWebSockets if self.has_uwebsockets_sources => {
                Ok(vec![uwebsockets_binary(repository).into()])
            }
            Program::UWebSockets => Ok(node(peers(repository).join("uwebsockets/server.mjs"))),
            Program::Elsewhere(why) => Err(Failure::new(why)),
        }
    }
}

fn kind_of(program: Program) -> Option<Kind> {
    match program {
        Program::Peer(_) => Some(Kind::Peers),
        Program::Node(_) => Some(Kind::Node),
        Program::UWebSockets => Some(Kind::UWebSockets),
        Program::Binary | Program::Ours(_) | Program::Elsewhere(_) => None,
    }
}

/// A program that cargo built beside `omniwire`.
pub(crate) fn beside(repository: &Repository, program: &str) -> PathBuf {
    repository.binary().with_file_name(program)
}

fn peers(repository: &Repository) -> PathBuf {
    repository.root.join("bench/peers")
}

/// Below the product's own `target`, so that one folder holds all that was built.
fn peers_target(repository: &Repository) -> PathBuf {
    let release = repository.binary();
    let target = release.ancestors().nth(2).unwrap_or(&release);
    target.join("peers")
}

fn build_peers(repository: &Repository) -> Result {
    let mut cargo = repository.cargo();
    cargo.current_dir(peers(repository)).args(["build", "--release", "--locked", "--target-dir"]);
    process::run(cargo.arg(peers_target(repository)))
}

fn install(folder: &Path) -> Result {
    node::check()?;
    node::install(folder)
}

fn prepare_uwebsockets(repository: &Repository, sources: Option<&Path>) -> Result {
    match sources {
        Some(sources) => build_uwebsockets(repository, sources),
        None => {
            let folder = peers(repository).join("uwebsockets");
            install(&folder)?;
            let load = ["--eval", "require('@btc-vision/uwebsockets.js')"];
            let loaded = process::read(Command::new("node").args(load).current_dir(&folder));
            loaded.map(|_| ()).map_err(|_| {
                Failure::new(
                    "the build on npm does not load here (it wants glibc 2.38): give the sources, \
                     by --uwebsockets DIR",
                )
            })
        }
    }
}

fn uwebsockets_binary(repository: &Repository) -> PathBuf {
    peers_target(repository).join("uwebsockets/server")
}

/// As its own makefile does, for this machine's processor and without TLS.
fn build_uwebsockets(repository: &Repository, sources: &Path) -> Result {
    let sockets = sources.join("uSockets/src");
    let binary = uwebsockets_binary(repository);
    let objects = binary.with_file_name("objects");
    let made = fs::create_dir_all(&objects);
    made.map_err(|error| Failure::new(format!("{}: {error}", objects.display())))?;
    let quick = ["-O3", "-march=native", "-flto=auto", "-DLIBUS_NO_SSL"];
    let mut compile = Command::new("gcc");
    compile.current_dir(&objects).args(quick).arg("-I").arg(&sockets).arg("-c");
    for folder in ["", "eventing", "crypto"] {
        compile.args(c_files(&sockets.join(folder))?);
    }
    process::run(&mut compile)?;
    let mut link = Command::new("g++");
    link.args(quick).args(["-std=c++20", "-w", "-I"]).arg(sources.join("src"));
    link.arg("-I").arg(&sockets).arg(peers(repository).join("uwebsockets/server.cpp"));
    link.args(files(&objects, "o")?).args(["-lz", "-o"]).arg(&binary);
    process::run(&mut link)
}

fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    files(folder, "c")
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|own| own == extension)).collect();
    files.sort();
    Ok(files)
}
