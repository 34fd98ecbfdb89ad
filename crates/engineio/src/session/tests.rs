//! The cases of the official suites (docs/engine.io-protocol/v4-test-suite, v3-test-suite) that
//! are about a session, and the rules of socketio.md, section 4.
