//! The server under a faulty network, in virtual time from one seed.
//!
//! What runs is what ships: the router, hyper, the driver, the protocols' sessions, the hub. Only
//! three things are ours: the clock, which is the runtime's and stands still while anybody has
//! something to do; the network, which is memory; and the clients.
//!
//! - [`world::run`] runs a seed;
//! - [`client`] is a client's life, [`speech`] what it says in its protocol, [`mod@line`] what carries
//!   that, [`network`] what happens to it;
//! - [`app`] is the application that they meet in, and [`ledger`] the books of what was promised.
#![forbid(unsafe_code)]

pub mod app;
pub mod chance;
pub mod client;
pub mod dial;
pub mod http;
pub mod ledger;
pub mod line;
pub mod network;
pub mod speech;
pub mod world;
