//! What may be wrong with what a peer sent.

macro_rules! reasons {
    ($( #[doc = $about:literal] $reasons:ident {
        $( #[doc = $doc:literal] $variant:ident $name:literal; )+
    } )+) => { $(
        #[doc = $about]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $reasons { $( #[doc = $doc] $variant, )+ }

        impl $reasons {
            /// All of them, in the order of their counters.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// A stable name for programs.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )+ }
            }

            /// The same in words, for people.
            pub const fn words(self) -> &'static str {
                match self { $( Self::$variant => $doc.trim_ascii(), )+ }
            }
        }

        impl std::fmt::Display for $reasons {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.words())
            }
        }
    )+ };
}

reasons! {
    /// Why a packet was not listened to.
    Discard {
        /// the packet ends before its headers do, or is no VRRP over IP
        Truncated "truncated";
        /// longer or shorter than its number of addresses makes it
        BadLength "bad-length";
        /// another version of VRRP than the one configured here
        WrongVersion "wrong-version";
        /// not an advertisement: VRRP knows no other type
        NotAdvert "not-advert";
        /// the checksum is wrong
        BadChecksum "bad-checksum";
        /// TTL or hop limit shows that it came through a router
        BadTtl "bad-ttl";
        /// sent from one of this node's own addresses
        OwnSource "own-source";
        /// a router id that no virtual router here has
        UnknownRouterId "unknown-router-id";
        /// sent to a multicast group, but only unicast peers are configured here
        NotUnicast "not-unicast";
        /// sent to this node alone by an address that is not one of its unicast peers
        UnknownPeer "unknown-peer";
        /// no addresses: there is nothing to be master of
        NoAddresses "no-addresses";
        /// an advertisement interval of 0
        ZeroInterval "zero-interval";
        /// another advertisement interval than the one configured here, which VRRPv2 forbids
        WrongInterval "wrong-interval";
        /// a type of authentication that is not known (known are none and PASS)
        UnknownAuthentication "unknown-authentication";
        /// another type of authentication than the one configured here
        WrongAuthentication "wrong-authentication";
        /// another password
        WrongPassword "wrong-password";
    }

    /// What is odd about an advertisement that was listened to.
    Oddity {
        /// other virtual addresses than the ones configured here
        OtherAddresses "other-addresses";
        /// another advertisement interval than the one configured here
        OtherInterval "other-interval";
    }
}

impl std::error::Error for Discard {}
