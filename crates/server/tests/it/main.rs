//! The server as its clients see it: real sockets on free loopback ports.

mod access;
mod admission;
mod advisories;
mod calls;
mod cluster;
mod ends;
mod engineio;
mod foreign;
mod harness;
mod hostile;
mod hubs;
mod log;
mod parked;
mod presence;
mod recovery;
mod rooms;
mod signalr;
mod slow;
mod streams;
mod timers;
mod unread;
