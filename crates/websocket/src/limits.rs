//! How much one peer may make us hold.

/// Limits on what a peer may send. They are applied to a frame's header, before anything is
/// reserved, and nothing ever reserves more than has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets of one message, after decompression. Exceeding it closes with 1009.
    pub message_len: usize,
    /// Octets of one frame as it travels. Exceeding it closes with 1009.
    pub frame_len: usize,
    /// Frames of one message; empty ones count. Exceeding it closes with 1008.
    pub fragments: usize,
}

/// Messages and frames of 64 MiB (npm `ws` takes 100 MiB, tungstenite 64), which a general library
/// needs; a server for chat should set 1 MiB or less. 131,072 fragments: Autobahn sends 65,537.
impl Default for Limits {
    fn default() -> Self {
        Self { message_len: 64 << 20, frame_len: 64 << 20, fragments: 1 << 17 }
    }
}
