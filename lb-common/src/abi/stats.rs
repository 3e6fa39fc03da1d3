use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of the per-CPU statistics maps, by service id and by server index. Bytes count IP
/// packets as they arrive, without link-layer headers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable,
)]
#[repr(C, align(8))]
pub struct Stats {
    /// Flows begun.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Packets to clients that passed through the director (NAT).
    pub packets_out: u64,
    /// Bytes to clients that passed through the director (NAT).
    pub bytes_out: u64,
}

impl Stats {
    /// Counts a packet from a client, `new` if it begins a flow.
    #[inline(always)]
    pub fn add_in(&mut self, bytes: u64, new: bool) {
        self.connections += new as u64;
        self.packets_in += 1;
        self.bytes_in += bytes;
    }

    /// Counts a packet to a client.
    #[inline(always)]
    pub fn add_out(&mut self, bytes: u64) {
        self.packets_out += 1;
        self.bytes_out += bytes;
    }
}

impl core::ops::AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.packets_in += other.packets_in;
        self.bytes_in += other.bytes_in;
        self.packets_out += other.packets_out;
        self.bytes_out += other.bytes_out;
    }
}
