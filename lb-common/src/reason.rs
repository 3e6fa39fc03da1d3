//! Every way out of the data plane.

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Sent on by the data plane.
    Forwarded,
    /// Left to the kernel, untouched.
    Passed,
    /// Thrown away.
    Dropped,
    /// Thrown away, and its sender told so by an ICMP error or a TCP reset.
    Answered,
}

impl Outcome {
    /// The word used in the control API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Passed => "passed",
            Self::Dropped => "dropped",
            Self::Answered => "answered",
        }
    }
}

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $outcome:ident $name:literal; )+) => {
        /// Why a packet left the data plane the way it did; the index of its counter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Reason { $( $(#[doc = $doc])+ $variant, )+ }

        impl Reason {
            /// All reasons, in the order of their counters.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// What becomes of packets with this reason.
            pub const fn outcome(self) -> Outcome {
                match self { $( Self::$variant => Outcome::$outcome, )+ }
            }

            /// A stable name for programs.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The reason in words, for people.
            pub fn words(self) -> &'static str {
                match self { $( Self::$variant => concat!($( $doc ),+).trim_ascii(), )+ }
            }
        }
    };
}

reasons! {
    /// from a client to a server
    ToServer = Forwarded "to-server";
    /// from a NAT server back to the client
    ToClient = Forwarded "to-client";
    /// ICMP error about a flow, to its server
    ErrorToServer = Forwarded "error-to-server";
    /// ICMP error about a flow, from behind the director to the client
    ErrorToClient = Forwarded "error-to-client";

    /// not IPv4 or IPv6 (ARP, for example)
    NotIp = Passed "not-ip";
    /// link-layer broadcast or multicast
    NotUnicast = Passed "not-unicast";
    /// more than two VLAN tags
    TooManyTags = Passed "too-many-tags";
    /// the frame ends before its headers do
    Truncated = Passed "truncated";
    /// a header's version or length field contradicts the frame
    BadHeader = Passed "bad-header";
    /// more IPv6 extension headers than are looked through
    TooManyExtensions = Passed "too-many-extensions";
    /// a protocol other than TCP, UDP and ICMP
    OtherProtocol = Passed "other-protocol";
    /// IPv6 routing header with segments left: the destination is not final
    SourceRouted = Passed "source-routed";
    /// fragment of an ICMP packet
    FragmentedIcmp = Passed "fragmented-icmp";
    /// addressed to no service
    NotForService = Passed "not-for-service";
    /// ICMP that is not an error (ping, neighbour discovery)
    IcmpQuery = Passed "icmp-query";
    /// ICMP error about no flow of ours
    IcmpUnrelated = Passed "icmp-unrelated";
    /// from a NAT server's port, but no client's flow
    ReplyWithoutFlow = Passed "reply-without-flow";
    /// fragment from a NAT server: which flow it belongs to is not visible
    FragmentFromServer = Passed "fragment-from-server";
    /// the chosen server is this director
    LocalServer = Passed "local-server";

    /// the service has no server that takes new connections
    NoServer = Answered "no-server";
    /// every server that might take the new connection has as many as it may
    ServersFull = Answered "servers-full";
    /// connection of a server that is down or was drained: the client is sent a TCP reset
    FlowReset = Answered "flow-reset";
    /// TTL or hop limit used up
    TtlExpired = Answered "ttl-expired";
    /// larger than the next link allows
    TooBig = Answered "too-big";
    /// the link-layer address of the next hop is not known yet
    NextHopUnresolved = Dropped "next-hop-unresolved";
    /// no route to the client, or forwarding is off on the loopback interface
    NoRoute = Dropped "no-route";
    /// fragment for a NAT service
    FragmentNat = Dropped "fragment-nat";
    /// fragment for a service whose scheduler, limits or persistence need the port
    FragmentNeedsPort = Dropped "fragment-needs-port";
    /// fragment for an address with several services: which one is not visible
    FragmentAmbiguous = Dropped "fragment-ambiguous";
    /// cannot be sent on (size, TTL, or no server that takes it), and the standards forbid an answer
    Unanswerable = Dropped "unanswerable";
    /// to be answered by an ICMP error, but enough of those were sent in this second
    AnswerLimited = Dropped "answer-limited";
    /// from an address that no client can have (multicast, loopback, unspecified)
    BogusSource = Dropped "bogus-source";
    /// another virtual address already has this client's port at this server
    NatPortTaken = Dropped "nat-port-taken";
    /// the chosen server left the table at this moment
    ServerGone = Dropped "server-gone";
    /// no room in front of the packet for a longer header
    NoHeadroom = Dropped "no-headroom";
}

impl Reason {
    /// How many reasons there are: the size of the counters' map.
    pub const COUNT: usize = Self::ALL.len();
}
