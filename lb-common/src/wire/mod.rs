//! Packet headers as they lie on the wire.
